// How files and passages stand in a prompt. The marks ([file name], [webpage X begin], [citation:X]) are the ones that
// DeepSeek's models know from its own app (README of DeepSeek-R1, "Official Prompts"); the instructions are ours.
import type { Passage } from '../api/types';
import type { Attachment } from '../state/tree';

export function withFiles(question: string, files: Attachment[]): string {
  const parts = files.map((f) => `[file name]: ${f.name}\n[file content begin]\n${f.text}\n[file content end]`);
  return [...parts, question].join('\n');
}

export function isChinese(text: string): boolean {
  const han = text.match(/\p{Script=Han}/gu)?.length ?? 0;
  return han * 3 > text.replace(/\s/g, '').length;
}

/** `brief`: the marks alone, for models whose context is too small for instructions. */
export function withPassages(question: string, passages: Pick<Passage, 'number' | 'file' | 'title' | 'text'>[], today: Date, brief = false): string {
  const results = passages
    .map((p) => `[webpage ${p.number} begin]\n${p.title && p.title !== p.file ? `${p.file}: ${p.title}` : p.file}\n${p.text}\n[webpage ${p.number} end]`)
    .join('\n');
  if (brief) return `${results}\n${question}`;
  if (isChinese(question)) {
    const date = `${today.getFullYear()}年${today.getMonth() + 1}月${today.getDate()}日`;
    return [
      '# 以下内容是从用户的本地文档中检索到的段落：',
      results,
      '每个段落写在[webpage X begin]和[webpage X end]之间，X是它的编号。用到某个段落时，请在那句话的末尾写上[citation:X]；来自多个段落时依次列出，如[citation:3][citation:5]。',
      `今天是${date}。与问题无关的段落不必使用；段落里没有答案时，请直接说明。请用提问的语言回答。`,
      '',
      '# 用户消息为：',
      question,
    ].join('\n');
  }
  const date = today.toLocaleDateString('en-US', { year: 'numeric', month: 'long', day: 'numeric' });
  return [
    "# Passages found in the user's own documents:",
    results,
    'Each passage stands between [webpage X begin] and [webpage X end], where X is its number. Where a sentence rests on a passage, end it with [citation:X]; with several, list them one after the other, as in [citation:3][citation:5].',
    `Today is ${date}. Leave out passages that have nothing to do with the question, and say so if none answers it. Answer in the language of the question.`,
    '',
    "# The user's message is:",
    question,
  ].join('\n');
}
