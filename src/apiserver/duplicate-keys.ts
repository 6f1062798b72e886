/** An object or list that the scan is inside of. */
interface Frame {
  /** Keys so far; undefined for a list. */
  readonly keys: Set<string> | undefined;
  readonly path: string;
  key: string;
  index: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Paths of keys that an object has twice, as `duplicate field "spec.replicas"`. `json` must be valid JSON. */
export function duplicateFields(json: string): string[] {
  const found: string[] = [];
  const frames: Frame[] = [];
  let frame: Frame | undefined;
  for (let at = 0; at < json.length; at++) {
    switch (json.charCodeAt(at)) {
      case QUOTE: {
        const end = stringEnd(json, at);
        if (frame?.keys && isKey(json, end)) noteKey(frame, JSON.parse(json.slice(at, end)) as string, found);
        at = end - 1;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_LIST:
        frame = { keys: json[at] === '{' ? new Set() : undefined, path: placeIn(frame), key: '', index: 0 };
        frames.push(frame);
        break;
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        frames.pop();
        frame = frames.at(-1);
        break;
      case COMMA:
        if (frame) frame.index++;
    }
  }
  return found;
}

function noteKey(frame: Frame, key: string, found: string[]): void {
  frame.key = key;
  if (frame.keys!.has(key)) found.push(`duplicate field ${JSON.stringify(placeIn(frame))}`);
  frame.keys!.add(key);
}

function placeIn(frame: Frame | undefined): string {
  if (!frame) return '';
  if (!frame.keys) return `${frame.path}[${frame.index}]`;
  return frame.path === '' ? frame.key : `${frame.path}.${frame.key}`;
}

/** Behind the closing quote. */
function stringEnd(json: string, start: number): number {
  let end = json.indexOf('"', start + 1);
  while (isEscaped(json, end)) end = json.indexOf('"', end + 1);
  return end + 1;
}

function isEscaped(json: string, at: number): boolean {
  let slashes = 0;
  while (json[at - 1 - slashes] === '\\') slashes++;
  return slashes % 2 === 1;
}

function isKey(json: string, at: number): boolean {
  let next = at;
  while (json.charCodeAt(next) <= 0x20) next++;
  return json.charCodeAt(next) === COLON;
}
