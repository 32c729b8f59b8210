"""Many at once: the asynchronous client of `openai` against a running limpid (started by run.py). What is asked among strangers is answered as it
is alone."""
import asyncio
import os
import unittest

import openai

URL = os.environ["LIMPID_URL"]
USERS = 32


def question(user):
    return [{"role": "user", "content": f"What is {user * 13 + 5} + {user * 7 + 111}?"}]


async def whole(client, user):
    reply = await client.chat.completions.create(model="r1-nano", messages=question(user), temperature=1, seed=user)
    return reply.choices[0].message.reasoning_content, reply.choices[0].message.content


async def streamed(client, user):
    thinking = content = ""
    async for chunk in await client.chat.completions.create(model="r1-nano", messages=question(user), temperature=1, seed=user, stream=True):
        for choice in chunk.choices:
            thinking += getattr(choice.delta, "reasoning_content", None) or ""
            content += choice.delta.content or ""
    return thinking, content


async def ended_early(client, user):
    stream = await client.chat.completions.create(model="r1-nano", messages=question(user), temperature=2, seed=user, stream=True)
    async for _ in stream:
        break
    await stream.close()


class Crowd(unittest.IsolatedAsyncioTestCase):
    async def test_same_answers_alone_and_in_a_crowd(self):
        async with openai.AsyncOpenAI(base_url=URL + "/v1", api_key="none", max_retries=0, timeout=240) as client:
            alone = [await whole(client, user) for user in range(0, USERS, 4)]
            together = await asyncio.gather(*(whole(client, user) if user % 2 else streamed(client, user) for user in range(USERS)),
                                            *(ended_early(client, 1000 + user) for user in range(USERS // 2)))
            self.assertEqual(alone, [together[user] for user in range(0, USERS, 4)])
            other_way = await asyncio.gather(*(streamed(client, user) if user % 2 else whole(client, user) for user in range(USERS)))
            self.assertEqual(together[:USERS], other_way)


if __name__ == "__main__":
    unittest.main()
