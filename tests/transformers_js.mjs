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
    if (!images.length) return processor.tokenizer(text); // not every processor takes text alone
    const pictures = images.map(({ width, height, file }) => new RawImage(new Uint8ClampedArray(readFileSync(file)), width, height, 3));
    return processor(text, pictures);
}

const arrays = { float32: Float32Array, int64: BigInt64Array };

function givenInputs({ ids, tensors }) {
    const inputs = { input_ids: integers(ids), attention_mask: integers(ids.map(() => 1)) };
    for (const [name, { type, dims, file }] of Object.entries(tensors)) {
        const { buffer, byteOffset, byteLength } = readFileSync(file);
        inputs[name] = new Tensor(type, new arrays[type](buffer.slice(byteOffset, byteOffset + byteLength)), dims);
    }
    if (inputs.pixel_values?.dims.length === 5) {
        // tiles, all of them shown
        const [batch, count, , height, width] = inputs.pixel_values.dims;
        const shown = new Uint8Array(batch * count * height * width).fill(1);
        inputs.pixel_attention_mask = new Tensor("bool", shown, [batch, count, height, width]);
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

async function reply(one) {
    const given = givenInputs(one);
    const new_ids = await newIds(given);
    let own;
    try {
        own = await ownInputs(one);
    } catch (error) {
        return { new_ids, prompt_ids: [], own_ids: [], pixel_difference: "nan", refusal: String(error) };
    }
    const pixel_difference = largestDifference(own, given);
    return { new_ids, prompt_ids: plain(own.input_ids), own_ids: await newIds(own), pixel_difference, refusal: null };
}

const replies = [];
for (const one of job.cases) replies.push(await reply(one));
process.stdout.write(JSON.stringify(replies));
