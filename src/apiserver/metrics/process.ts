import { Counter, Gauge, type Registry } from 'prom-client';

/** The running process, read when somebody asks. */
export interface ProcessReader {
  /** Microseconds of processor time so far. */
  cpuMicroseconds(): number;
  residentBytes(): number;
  heapBytes(): number;
  /** Undefined where the system does not say. */
  openFiles(): number | undefined;
  /** Seconds since the Unix epoch. */
  startSeconds: number;
}

/** The `process_*` metrics that every Prometheus client has. */
export function processMetrics(registry: Registry, reader: ProcessReader): void {
  const registers = [registry];
  const cpu = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time',
    registers,
    collect() {
      cpu.reset();
      cpu.inc(reader.cpuMicroseconds() / 1e6);
    },
  });
  const gauge = (name: string, help: string, read: () => number | undefined) => {
    const made: Gauge = new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = read();
        if (value !== undefined) made.set(value);
      },
    });
  };
  gauge('process_resident_memory_bytes', 'Resident memory', () => reader.residentBytes());
  gauge('nodejs_heap_size_used_bytes', 'Memory of objects', () => reader.heapBytes());
  gauge('process_open_fds', 'Open files', () => reader.openFiles());
  gauge('process_start_time_seconds', 'Start of the process', () => reader.startSeconds);
}
