// What OpenAI's client for JavaScript gets from a server, as JSON. Arguments: address, a model with answers, one with labels.
import OpenAI from "openai";

const [base, answers, labels] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: process.env.FT_API_KEY ?? "none", maxRetries: 0 });
const ask = { model: answers, messages: [{ role: "user", content: "Why is my card blocked?" }] };
const told = { models: (await client.models.list()).data.map((model) => model.id) };

const whole = await client.chat.completions.create(ask);
Object.assign(told, { whole: whole.choices[0].message.content, tokens: whole.usage.completion_tokens, id: whole._request_id === whole.id });

let streamed = "";
let used;
for await (const part of await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
  streamed += part.choices[0]?.delta.content ?? "";
  used = part.usage ?? used;
}
Object.assign(told, { streamed, streamed_tokens: used.completion_tokens });
told.helper = await client.chat.completions.stream(ask).finalContent();

const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"], additionalProperties: false };
const form = { type: "json_schema", json_schema: { name: "form", strict: true, schema } };
told.parsed = (await client.chat.completions.parse({ ...ask, response_format: form })).choices[0].message.parsed;

told.label = (await client.chat.completions.create({ ...ask, model: labels })).choices[0].message.content;
told.classified = (await client.post("/classify", { body: { model: labels, input: "Why?" } })).data[0].label;

const refused = await client.chat.completions.create({ ...ask, model: "nothing" }).catch((error) => error);
told.refused = [refused.constructor.name, refused.status, refused.code];

const stream = await client.chat.completions.create({ ...ask, stream: true });
for await (const _ of stream) break; // which closes the connection
told.left = true;
console.log(JSON.stringify(told));
