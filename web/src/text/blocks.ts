// Splits Markdown that still streams into top-level blocks, so that only the last block is rendered again when text
// arrives: the cost of a token does not grow with the answer. A block ends at a blank line that no construct spans
// (fence, list, indented text, display math, quote). Blocks that grow without end are cut: a fence at a line, a table
// behind a row, a paragraph at a space, each continued by a block of the same kind.

export interface Block {
  /** Markdown of this block alone; a continued fence or table carries its opening lines again. */
  source: string;
  /** It goes on where the block before it was cut; shown without a gap. */
  continued: boolean;
}

/** Characters of a block beyond which it is cut. */
export const MAX_BLOCK = 6000;

interface Fence {
  opener: string;
  marker: string;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const LIST = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;
const DELIMITER_ROW = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

function isClosing(line: string, marker: string): boolean {
  const text = line.trim();
  return text.startsWith(marker) && !text.replaceAll(marker[0] as string, '');
}

/** Grows with the text: push() what arrived, read blocks. All but the last never change again. */
export class BlockSplitter {
  readonly blocks: Block[] = [];
  private current: string[] = []; // whole lines of the open block
  private partial = ''; // the last line, without its end
  private size = 0; // characters of `current`
  private fence: Fence | null = null;
  private math: '$$' | '\\]' | null = null;
  private list = false;
  private blank = false; // the last whole line was blank: the next one decides
  private continued = false;
  private header: string[] | null = null; // of the table that is open

  push(text: string): void {
    if (!text) return;
    let from = 0;
    for (;;) {
      const end = text.indexOf('\n', from);
      if (end < 0) break;
      this.line(this.partial + text.slice(from, end));
      this.partial = '';
      from = end + 1;
    }
    this.partial += text.slice(from);
    while (this.partial.length > MAX_BLOCK) this.cutLine();
    this.show();
  }

  private get last(): Block {
    const last = this.blocks[this.blocks.length - 1];
    if (last) return last;
    const first = { source: '', continued: this.continued };
    this.blocks.push(first);
    return first;
  }

  private show(): void {
    // A line that follows a blank one may begin a block of its own; while it is not whole it is shown as if it did not,
    // unless its first character says enough.
    if (this.blank && this.partial.trim() && this.separates(this.partial)) this.close();
    const text = this.partial ? [...this.current, this.partial].join('\n') : this.current.join('\n');
    this.last.source = text;
  }

  private line(line: string): void {
    if (this.blank && line.trim() && this.separates(line)) this.close();
    const closes = this.fence !== null && this.current.length > 0 && isClosing(line, this.fence.marker);
    if (this.size > MAX_BLOCK && !closes) this.cut(this.fence ? [this.fence.opener] : this.header);
    this.add(line);
    if (this.fence) {
      if (!closes) return;
      this.fence = null;
      if (!this.list) this.close();
      return;
    }
    if (this.math) {
      if (line.includes(this.math === '$$' ? '$$' : '\\]')) this.math = null;
      return;
    }
    if (!line.trim()) {
      this.blank = this.current.length > 1;
      if (!this.blank) this.reset(); // blank lines before a block say nothing
      return;
    }
    this.blank = false;
    this.open(line);
  }

  private open(line: string): void {
    const fence = FENCE.exec(line);
    if (fence && !(fence[1]!.startsWith('`') && fence[2]!.includes('`'))) {
      this.fence = { opener: line, marker: fence[1] as string };
      if (!this.list && this.current.length > 1) {
        // A fence interrupts a paragraph: it is a block of its own.
        this.current.pop();
        this.size -= line.length + 1;
        this.close();
        this.fence = { opener: line, marker: fence[1] as string };
        this.add(line);
      }
      return;
    }
    const start = line.trimStart();
    if (start.startsWith('$$') && start.indexOf('$$', 2) < 0) this.math = '$$';
    else if (start.startsWith('\\[') && !start.includes('\\]')) this.math = '\\]';
    if (this.current.length === 1 && LIST.test(line)) this.list = true;
    if (this.current.length === 2 && line.includes('-') && (this.current[0] as string).includes('|') && DELIMITER_ROW.test(line))
      this.header = [this.current[0] as string, line];
  }

  /** Whether a line behind a blank one begins a new block. */
  private separates(line: string): boolean {
    if (this.fence || this.math) return false;
    if (/^(?: {2,}|\t)/.test(line)) return false; // may belong to a list item or be indented code
    if (!this.list) return true;
    if (LIST.test(line)) return false;
    return !/^ {0,3}(?:\d{1,9}|[-*+])$/.test(line); // may still become an item
  }

  private add(line: string): void {
    this.current.push(line);
    this.size += line.length + 1;
  }

  private close(): void {
    while (this.current.length && !this.current[this.current.length - 1]!.trim()) this.current.pop();
    if (this.current.length) {
      this.last.source = this.current.join('\n');
      this.continued = false;
      this.blocks.push({ source: '', continued: false });
    }
    this.reset();
  }

  private reset(): void {
    this.current = [];
    this.size = 0;
    this.fence = null;
    this.math = null;
    this.list = false;
    this.blank = false;
    this.header = null;
  }

  /** Ends the block here; the next one begins with `opening` (of a fence or table), or plainly. */
  private cut(opening: string[] | null): void {
    const fence = this.fence;
    const header = this.header;
    this.last.source = this.current.join('\n');
    this.reset();
    this.continued = true;
    this.blocks.push({ source: '', continued: true });
    if (opening) for (const line of opening) this.add(line);
    this.fence = fence;
    this.header = header;
  }

  /** A line without end: cut at a space where there is one. */
  private cutLine(): void {
    const space = this.partial.lastIndexOf(' ', MAX_BLOCK);
    let at = space > MAX_BLOCK / 2 ? space + 1 : MAX_BLOCK;
    const code = this.partial.charCodeAt(at - 1);
    if (code >= 0xd800 && code <= 0xdbff) at -= 1; // not between the halves of a character
    const piece = this.partial.slice(0, at);
    this.partial = this.partial.slice(at);
    this.add(piece);
    this.cut(this.fence ? [this.fence.opener] : null);
  }
}

export function splitBlocks(text: string): Block[] {
  const splitter = new BlockSplitter();
  splitter.push(text);
  return splitter.blocks.filter((b) => b.source.trim());
}
