// Files that a reader drops: text and code as they are, PDF by pdf.js (loaded then). Everything stays in the browser
// until the question is sent.
import { t } from '../i18n';
import type { Attachment } from '../state/tree';

export const MOST_BYTES = 20_000_000;
export const MOST_CHARACTERS = 2_000_000;
/** Pasted text longer than this becomes a file. */
export const LONG_PASTE = 4000;

function looksBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 8192).includes(0);
}

/** Text from bytes: UTF-8, UTF-16 with its mark, else GB 18030 (which old Chinese files use). */
export function decodeText(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('gb18030').decode(bytes);
  }
}

export async function readFile(file: File): Promise<Attachment> {
  if (file.size > MOST_BYTES) throw new Error(t('fileTooLarge', { name: file.name, most: '20 MB' }));
  const bytes = new Uint8Array(await file.arrayBuffer());
  const pdf = bytes[0] === 0x25 && bytes[1] === 0x50 && bytes[2] === 0x44 && bytes[3] === 0x46;
  if (pdf) {
    const { pdfText } = await import('./pdf');
    const { text, pages } = await pdfText(bytes);
    if (!text.trim()) throw new Error(t('pdfWithoutText', { name: file.name }));
    return { name: file.name, type: 'pdf', text: text.slice(0, MOST_CHARACTERS), pages };
  }
  const marked = bytes[0] === 0xff || bytes[0] === 0xfe;
  if (!marked && looksBinary(bytes)) throw new Error(t('fileNotText', { name: file.name }));
  return { name: file.name, type: 'text', text: decodeText(bytes).slice(0, MOST_CHARACTERS) };
}

export function pastedFile(text: string, number: number): Attachment {
  return { name: `${t('pasted')} ${number}.txt`, type: 'text', text };
}
