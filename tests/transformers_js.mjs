// Answers conversations with transformers.js; run by test_transformers_js.py.
//
// node transformers_js.mjs <node_modules> <job.json>: writes JSON to stdout, for each case the prompt's ids as the package's own processor
// makes them, and the new tokens for the ids and pixels of the job.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, jobFile] = process.argv.slice(2);
const { AutoModelForImageTextToText, AutoProcessor, RawImage, Tensor, env } = await import(
    pathToFileURL(join(modules, "@huggingface/transformers/dist/transformers.node.mjs")).href
);
const job = JSON.parse(readFileSync(jobFile, "utf-8"));
env.allowRemoteModels = false;
env.localModelPath = dirname(job.model);
const name = job.model.slice(env.localModelPath.length + 1);

const model = await AutoModelForImageTextToText.from_pretrained(name); // the type is the one that config.json names
const processor = await AutoProcessor.from_pretrained(name);
const integers = (values) => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
const plain = (tensor) => Array.from(tensor.data, Number);

async function promptIds({ messages, images }) {
    const text = processor.tokenizer.apply_chat_template(messages, { tokenize: false, add_generation_prompt: true, enable_thinking: false });
    if (!images.length) return plain(processor.tokenizer(text).input_ids); // its processor takes no text alone
    const pictures = images.map(({ width, height, data }) => new RawImage(new Uint8ClampedArray(data), width, height, 3));
    return plain((await processor(text, pictures)).input_ids);
}

async function newIds({ ids, pixels, tiles, side }) {
    const inputs = { input_ids: integers(ids), attention_mask: integers(ids.map(() => 1)) };
    if (tiles) {
        const values = readFileSync(pixels);
        const floats = new Float32Array(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength));
        inputs.pixel_values = new Tensor("float32", floats, [1, tiles, 3, side, side]);
        inputs.pixel_attention_mask = new Tensor("bool", new Uint8Array(tiles * side * side).fill(1), [1, tiles, side, side]);
    }
    const output = await model.generate({ ...inputs, max_new_tokens: job.max_new_tokens, do_sample: false });
    return plain(output).slice(ids.length);
}

const answers = [];
for (const one of job.cases) answers.push({ prompt_ids: await promptIds(one), new_ids: await newIds(one) });
process.stdout.write(JSON.stringify(answers));
