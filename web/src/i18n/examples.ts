// What to ask, in the reader's language. r1-nano's are what it was trained to do (docs/training.md).
import { language } from './index';

const nano = {
  en: ['What is 347 + 895?', 'Tom is taller than Ann, Ann is taller than Bob. Who is second?', 'Use 3, 7 and 8 to make 29.', 'How many letters r are in "strawberry"?'],
  zh: ['347 + 895 等于多少？', '3、7、8 怎样凑成 29？', '小明比小红高，小红比小刚高。谁排第二？', '你是谁？'],
};
const any = {
  en: ['Explain why the sky is blue, then check your own explanation.', 'Prove that the square root of 2 is irrational.', 'Write a Python function that finds the longest palindrome in a string.', 'Plan a week of dinners for two, with a shopping list.'],
  zh: ['天空为什么是蓝色的？解释之后检查一遍。', '证明根号 2 是无理数。', '用 Python 写一个函数，找出字符串中最长的回文。', '为两个人安排一周的晚餐，并列出购物清单。'],
};

export function examples(isNano: boolean): string[] {
  return (isNano ? nano : any)[language.value];
}
