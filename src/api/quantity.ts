const SUFFIXES: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The value of a `resource.Quantity` in its base unit (cores, bytes); undefined when it is none. */
export function parseQuantity(text: string): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$/.exec(text);
  if (!match) return undefined;
  return Number(`${match[1]}${match[2] ?? ''}`) * SUFFIXES[match[3] ?? '']!;
}

const DECIMAL = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
/** Digits after the point beyond which a quantity is rounded up. */
const NANO = 9;
const NANOS = 10n ** BigInt(NANO);

/**
 * A quantity in the form that Kubernetes stores it in: no fraction, the largest suffix of its family that loses nothing.
 * Text that is no quantity, and magnitudes that nobody means, are returned as they are.
 */
export function canonicalQuantity(value: unknown): unknown {
  if (typeof value === 'number') return canonicalQuantity(String(value));
  if (value === null || value === undefined) return '0';
  if (typeof value !== 'string') return value;
  const match = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?$/.exec(value);
  if (!match || value.length > 64 || (match[2] === '' && match[3] === '')) return value;
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = match;
  const nanos = toNanos(whole, fraction, { exponent: Number(exponent ?? 0), suffix });
  if (nanos === 0n) return '0';
  const text = exponent !== undefined ? withExponent(nanos) : withSuffix(nanos, suffix.endsWith('i'));
  return sign === '-' ? `-${text}` : text;
}

/** Rounded up to a whole number of nanos. */
function toNanos(whole: string, fraction: string, by: { exponent: number; suffix: string }): bigint {
  const binary = BINARY.indexOf(by.suffix);
  const decimal = by.suffix !== '' && binary < 0;
  const shift = (decimal ? 3 * DECIMAL.indexOf(by.suffix) : NANO + by.exponent) - fraction.length;
  const digits = BigInt(`${whole}${fraction}` || '0') * (binary > 0 ? 1024n ** BigInt(binary) : 1n);
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  return (digits + divisor - 1n) / divisor;
}

function withSuffix(nanos: bigint, binary: boolean): string {
  if (binary && nanos >= 1024n * NANOS) {
    const { rest, times } = divided((nanos + NANOS - 1n) / NANOS, 1024n, BINARY.length - 1);
    return `${rest}${BINARY[times]}`;
  }
  const { rest, times } = divided(nanos, 1000n, DECIMAL.length - 1);
  return `${rest}${DECIMAL[times]}`;
}

function withExponent(nanos: bigint): string {
  const { rest, times } = divided(nanos, 1000n, 30);
  const exponent = 3 * times - NANO;
  return exponent === 0 ? String(rest) : `${rest}e${exponent}`;
}

function divided(value: bigint, by: bigint, most: number): { rest: bigint; times: number } {
  let [rest, times] = [value, 0];
  for (; times < most && rest % by === 0n; times++) rest /= by;
  return { rest, times };
}

/** An amount without rounding errors: billionths of the unit, and the family of suffixes that it is written with. */
export interface Amount {
  readonly nanos: bigint;
  readonly binary: boolean;
}

export const ZERO: Amount = { nanos: 0n, binary: false };

/** The exact amount of a quantity; zero when it is none. */
export function toAmount(quantity: unknown): Amount {
  const match = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?$/.exec(String(quantity));
  if (!match) return ZERO;
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = match;
  const nanos = toNanos(whole, fraction, { exponent: Number(exponent ?? 0), suffix });
  return { nanos: sign === '-' ? -nanos : nanos, binary: suffix.endsWith('i') };
}

/** The family of the first one that is not zero counts, as in `Quantity.Add`. */
export function addAmounts(a: Amount, b: Amount): Amount {
  return { nanos: a.nanos + b.nanos, binary: a.nanos === 0n ? b.binary : a.binary };
}

export function formatAmount({ nanos, binary }: Amount): string {
  if (nanos === 0n) return '0';
  return nanos < 0n ? `-${withSuffix(-nanos, binary)}` : withSuffix(nanos, binary);
}
