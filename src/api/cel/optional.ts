/** A piece of an expression, as far as rewriting needs to know it. */
interface Token {
  readonly kind: 'space' | 'text' | 'name' | 'sign';
  readonly text: string;
}

/** Spaces and comments, literals of text, names; else a sign of one character or an optional step. */
const TOKENS = new RegExp(
  [
    /(?<space>\s+|\/\/[^\n]*)/,
    /(?<text>[rRbB]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))/,
    /(?<name>[A-Za-z_]\w*)/,
    /(?<sign>\.\?|\[\?|[\s\S])/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/**
 * An expression with CEL's optional steps (`a.?b`, `a[?b]`) as calls of functions, for a parser that does not know them. In
 * a chain that has become optional every further field is, too, until a method ends it.
 */
export function rewriteOptionals(expression: string): string {
  if (!/\.\?|\[\?/.test(expression)) return expression;
  return new Rewriting(expression).run();
}

function tokensOf(expression: string): Token[] {
  return [...expression.matchAll(TOKENS)].map(({ groups, 0: text }) => {
    const kind = (['space', 'text', 'name'] as const).find((name) => groups?.[name] !== undefined) ?? 'sign';
    return { kind, text };
  });
}

interface Frame {
  readonly close: string;
  /** What follows it belongs to a value that may be absent. */
  readonly optional: boolean;
}

class Rewriting {
  readonly #tokens: readonly Token[];
  readonly #frames: Frame[] = [];
  #at = 0;
  #out = '';
  /** The chain so far is a value that may be absent. */
  #optional = false;
  #before = '';

  constructor(expression: string) {
    this.#tokens = tokensOf(expression);
  }

  run(): string {
    for (; this.#at < this.#tokens.length; this.#at++) {
      const token = this.#tokens[this.#at]!;
      if (token.kind === 'space') this.#out += token.text;
      else if (!this.#field(token)) this.#plain(token);
    }
    return this.#out;
  }

  /** `.?b`, and `.b` of what is optional already. */
  #field({ text }: Token): boolean {
    const name = this.#tokens[this.#at + 1];
    if ((text !== '.' && text !== '.?') || name?.kind !== 'name') return false;
    const called = this.#next(this.#at + 2)?.text === '(';
    if (text === '.' && (!this.#optional || called)) return false;
    this.#out += `.optSelect(${JSON.stringify(name.text)})`;
    this.#optional = true;
    this.#before = name.text;
    this.#at++;
    return true;
  }

  #plain({ text }: Token): void {
    const indexed = text === '[?' || (text === '[' && this.#optional && isOperand(this.#before));
    if (indexed) this.#open('.optIndex(', { close: ')', optional: true });
    else if (CLOSING[text]) this.#open(text, { close: CLOSING[text], optional: false });
    else if (text === ')' || text === ']' || text === '}') {
      const frame = this.#frames.pop() ?? { close: text, optional: false };
      this.#out += frame.close;
      this.#optional = frame.optional;
    } else {
      this.#out += text;
      this.#optional = false;
    }
    this.#before = text;
  }

  #open(text: string, frame: Frame): void {
    this.#out += text;
    this.#frames.push(frame);
    this.#optional = false;
  }

  #next(from: number): Token | undefined {
    return this.#tokens.slice(from).find(({ kind }) => kind !== 'space');
  }
}

/** Whether an index may follow. */
function isOperand(text: string): boolean {
  return /[\w"')\]}]$/.test(text);
}
