// Answers conversations with transformers.js; run by transformers_js.py.
//
// node transformers_js.mjs <node_modules> <job.json>: writes JSON to stdout, for each case the prompt's ids as the package's own processor
// makes them, the new tokens for the ids and pixels of the job, the new tokens for ids and pixels of the package's own processor, and how far
// the pixels are apart.

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

async function ownInputs({ messages, tools, thinking, images }) {
    const text = processor.tokenizer.apply_chat_template(messages, {
        tools,
        tokenize: false,
        add_generation_prompt: true,
        enable_thinking: thinking,
    });
    if (!images.length) return processor.tokenizer(text); // its processor takes no text alone
    const pictures = images.map(({ width, height, file }) => new RawImage(new Uint8ClampedArray(readFileSync(file)), width, height, 3));
    return processor(text, pictures);
}

function givenInputs({ ids, tiles: { file, count, side } }) {
    const inputs = { input_ids: integers(ids), attention_mask: integers(ids.map(() => 1)) };
    if (count) {
        const { buffer, byteOffset, byteLength } = readFileSync(file);
        const values = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
        inputs.pixel_values = new Tensor("float32", values, [1, count, 3, side, side]);
        inputs.pixel_attention_mask = new Tensor("bool", new Uint8Array(count * side * side).fill(1), [1, count, side, side]);
    }
    return inputs;
}

async function newIds(inputs) {
    const output = await model.generate({ ...inputs, max_new_tokens: job.max_new_tokens, do_sample: false });
    return plain(output).slice(inputs.input_ids.dims[1]);
}

function largestDifference({ pixel_values: own }, { pixel_values: given }) {
    if (!own && !given) return 0;
    if (String(own.dims) !== String(given.dims)) return "nan";
    return own.data.reduce((most, value, index) => Math.max(most, Math.abs(value - given.data[index])), 0);
}

const replies = [];
for (const one of job.cases) {
    const [own, given] = [await ownInputs(one), givenInputs(one)];
    replies.push({
        prompt_ids: plain(own.input_ids),
        new_ids: await newIds(given),
        own_ids: await newIds(own),
        pixel_difference: largestDifference(own, given),
    });
}
process.stdout.write(JSON.stringify(replies));
