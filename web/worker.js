// The model: an export of this project (python -m smvl.export --to onnx) in transformers.js, everything read from files beside the page.

import {
  AutoModelForImageTextToText,
  AutoProcessor,
  InterruptableStoppingCriteria,
  Tensor,
  TextStreamer,
  env,
} from './runtime/transformers.min.js'
import { tilesOf } from './pixels.js'

const besides = (path) => new URL(path, import.meta.url).href
env.allowRemoteModels = false
env.allowLocalModels = true
env.localModelPath = './' // not a whole address: transformers.js would then believe that there is no tokenizer
env.backends.onnx.wasm.wasmPaths = {
  mjs: besides('./runtime/ort-wasm-simd-threaded.mjs'),
  wasm: besides('./runtime/ort-wasm-simd-threaded.wasm'),
}
env.backends.onnx.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1

let processor, model, mostTokens
let tiles = null // of the picture that the conversation is about
let messages = []
let isStopped = false
const stopping = new InterruptableStoppingCriteria()

async function load(folder, most) {
  mostTokens = most
  const total = await checkFiles(folder)
  const loadedOf = new Map()
  const options = {
    progress_callback({ status, file, loaded }) {
      if (status !== 'progress') return
      loadedOf.set(file, loaded)
      const sum = [...loadedOf.values()].reduce((all, bytes) => all + bytes, 0)
      postMessage({ kind: 'progress', loaded: Math.min(sum, total), total })
    },
  }
  processor = await AutoProcessor.from_pretrained(folder, options)
  const settings = processor.image_processor.config
  processor.components.image_processor = () => imageInputs(settings) // in the place of transformers.js's own scaling
  model = await AutoModelForImageTextToText.from_pretrained(folder, options) // its config.json says which format the files are in
  const forward = model.forward.bind(model)
  model.forward = async (inputs) => {
    await new Promise((resolve) => setTimeout(resolve)) // a turn for the messages that wait: without it `stop` is heard after the last token
    return forward(inputs)
  }
  postMessage({ kind: 'ready' })
}

/** The bytes of an export whose files are all there; transformers.js takes some that are missing for ones that nobody needs. */
async function checkFiles(folder) {
  const manifest = `${folder}/export.json`
  const reply = await fetch(besides(manifest))
  const content = reply.ok ? await reply.json().catch(() => null) : null
  if (!content?.files) throw new Error(`没有 ${manifest},或它不是导出模型时写的文件。`)
  const files = Object.entries(content.files)
  const found = await Promise.all(files.map(([name]) => fetch(besides(`${folder}/${name}`), { method: 'HEAD' })))
  files.forEach(([name, { size }], index) => {
    const { ok, headers } = found[index]
    if (!ok) throw new Error(`缺少文件 ${folder}/${name}。请重新复制导出的文件夹。`)
    const bytes = headers.get('Content-Length')
    const isWhole = bytes === null || headers.has('Content-Encoding') || Number(bytes) === size
    if (!isWhole) throw new Error(`文件 ${folder}/${name} 有 ${bytes} 字节,应为 ${size}。请重新复制导出的文件夹。`)
  })
  return files.reduce((sum, [, { size }]) => sum + size, 0)
}

function imageInputs(settings) {
  tiles.made ??= tilesOf(tiles.picture, settings)
  const { values, numTiles, side, rows, columns } = tiles.made
  const shape = [1, numTiles, side, side]
  return {
    pixel_values: new Tensor('float32', values, [1, numTiles, 3, side, side]),
    pixel_attention_mask: new Tensor('bool', new Uint8Array(numTiles * side * side).fill(1), shape),
    rows: [[rows]],
    cols: [[columns]],
  }
}

async function takePicture(file) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: 'none' })
  const { width, height } = bitmap
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
  context.fillStyle = 'white' // transparent pixels lie on white, as in training
  context.fillRect(0, 0, width, height)
  context.drawImage(bitmap, 0, 0)
  const { data } = context.getImageData(0, 0, width, height)
  tiles = { picture: { data: data.filter((_, index) => index % 4 < 3), width, height } }
  messages = []
}

async function inputsFor(prompt) {
  const inputs = await (tiles ? processor(prompt, [[]]) : processor.tokenizer([prompt])) // the processor asks for an image
  const numTokens = inputs.input_ids.dims[1]
  const limit = model.config.text_config.max_position_embeddings
  if (numTokens + mostTokens > limit) throw new Error(`对话太长:已有 ${numTokens} 个词元,模型最多读 ${limit} 个。请重新放入图片,开始新的对话。`)
  return inputs
}

async function answer(question) {
  const control = processor.tokenizer.all_special_tokens.find((token) => question.includes(token))
  if (control) throw new Error(`问题里的 ${control} 是模型的控制符号,请换一种写法。`)
  const isFirst = messages.length === 0
  const content = [{ type: 'text', text: question }]
  if (isFirst && tiles) content.unshift({ type: 'image' })
  const asked = [...messages, { role: 'user', content }]
  const prompt = processor.tokenizer.apply_chat_template(asked, {
    tokenize: false,
    add_generation_prompt: true,
    enable_thinking: false,
  })
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
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
      firstSeconds ||= seconds()
    },
  })
  const inputs = await inputsFor(prompt)
  await model.generate({ ...inputs, max_new_tokens: mostTokens, do_sample: false, streamer, stopping_criteria: stopping })
  messages = [...asked, { role: 'assistant', content: text }]
  const ending = isStopped ? 'stopped' : numTokens >= mostTokens ? 'length' : 'end'
  postMessage({ kind: 'done', seconds: seconds(), firstSeconds, numTokens, ending })
}

const tasks = {
  load: ({ model, mostTokens }) => load(model, mostTokens),
  picture: ({ file }) => takePicture(file),
  ask: ({ question }) => answer(question),
}

async function work(data) {
  try {
    await tasks[data.kind](data)
  } catch (error) {
    postMessage({ kind: 'wrong', task: data.kind, message: error.message ?? String(error) })
  }
}

let latest = Promise.resolve() // one task at a time: a picture that comes while an answer runs waits for its end
onmessage = ({ data }) => {
  if (data.kind === 'stop' || data.kind === 'ask') isStopped = data.kind === 'stop'
  if (isStopped) stopping.interrupt()
  else stopping.reset()
  if (data.kind !== 'stop') latest = latest.then(() => work(data))
}
