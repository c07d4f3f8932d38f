// The model: an export of this project (python -m smvl.export --to onnx) in transformers.js, everything read from files beside the page.

import {
  AutoModelForImageTextToText,
  AutoProcessor,
  InterruptableStoppingCriteria,
  RawImage,
  TextStreamer,
  env,
} from './runtime/transformers.min.js'

const besides = (path) => new URL(path, import.meta.url).href
env.allowRemoteModels = false
env.allowLocalModels = true
env.localModelPath = './' // not a whole address: transformers.js would then believe that there is no tokenizer
env.backends.onnx.wasm.wasmPaths = {
  mjs: besides('./runtime/ort-wasm-simd-threaded.asyncify.mjs'),
  wasm: besides('./runtime/ort-wasm-simd-threaded.asyncify.wasm'),
}
env.backends.onnx.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1

const MOST_TOKENS = 512
let processor, model, image
let messages = []
const stopping = new InterruptableStoppingCriteria()

async function load(folder) {
  const files = new Map()
  const options = {
    progress_callback({ status, file, loaded, total }) {
      if (status !== 'progress') return
      files.set(file, [loaded, total])
      const sum = (place) => [...files.values()].reduce((all, entry) => all + entry[place], 0)
      postMessage({ kind: 'progress', loaded: sum(0), total: sum(1) })
    },
  }
  processor = await AutoProcessor.from_pretrained(folder, options)
  model = await AutoModelForImageTextToText.from_pretrained(folder, options) // its config.json says which format the files are in
  postMessage({ kind: 'ready' })
}

async function takePicture(file) {
  image = await RawImage.fromBlob(file)
  messages = []
}

async function inputsFor(prompt) {
  if (image) return processor(prompt, [[image]])
  return processor.tokenizer([prompt]) // the processor asks for an image
}

async function answer(question) {
  const isFirst = messages.length === 0
  const content = [{ type: 'text', text: question }]
  if (isFirst && image) content.unshift({ type: 'image' })
  const asked = [...messages, { role: 'user', content }]
  const prompt = processor.tokenizer.apply_chat_template(asked, {
    tokenize: false,
    add_generation_prompt: true,
    enable_thinking: false,
  })
  const began = performance.now()
  let firstSeconds = 0
  let numTokens = 0
  let text = ''
  const streamer = new TextStreamer(processor.tokenizer, {
    skip_prompt: true,
    skip_special_tokens: true,
    callback_function(piece) {
      text += piece
      postMessage({ kind: 'text', text: piece })
    },
    token_callback_function() {
      numTokens += 1
      firstSeconds ||= (performance.now() - began) / 1000
    },
  })
  stopping.reset()
  await model.generate({
    ...(await inputsFor(prompt)),
    max_new_tokens: MOST_TOKENS,
    do_sample: false,
    streamer,
    stopping_criteria: stopping,
  })
  messages = [...asked, { role: 'assistant', content: text }]
  postMessage({ kind: 'done', seconds: (performance.now() - began) / 1000, firstSeconds, numTokens })
}

const tasks = {
  load: ({ model }) => load(model),
  picture: ({ file }) => takePicture(file),
  ask: ({ question }) => answer(question),
  stop: () => stopping.interrupt(),
}
onmessage = async ({ data }) => {
  try {
    await tasks[data.kind](data)
  } catch (error) {
    postMessage({ kind: 'wrong', message: `${data.kind === 'load' ? '模型不能读取' : '没有回答'}:${error.message}` })
  }
}
