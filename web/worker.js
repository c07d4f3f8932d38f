// The model: an export of this project (python -m smvl.export --to onnx) in transformers.js, everything read from files beside the page.

import {
  AutoModelForImageTextToText,
  AutoProcessor,
  InterruptableStoppingCriteria,
  PreTrainedTokenizer,
  Tensor,
  TextStreamer,
  env,
} from './runtime/transformers.min.js'
import { afterClosings } from './answer_text.js'
import { ControlText } from './control_text.js'
import { tilesOf } from './pixels.js'

const besides = (path) => new URL(path, import.meta.url).href
env.allowRemoteModels = false
env.fetch = (path, options) => fetch(besides(path), options) // a worker in a blob has no folder of its own
env.useBrowserCache = env.useWasmCache = false // they would keep files of an export that another has replaced
env.allowLocalModels = true
env.localModelPath = './' // not a whole address: transformers.js would then believe that there is no tokenizer
env.backends.onnx.wasm.wasmPaths = {
  mjs: besides('./runtime/ort-wasm-simd-threaded.mjs'),
  wasm: besides('./runtime/ort-wasm-simd-threaded.wasm'),
}
env.backends.onnx.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1

let processor, model, control, mostTokens
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
  if (!settings.max_image_size) throw new Error(`${folder} 里的模型不把图片切成图块(布局 qwen3_vl),本页只能运行切图块的模型(布局 smolvlm)。`)
  processor.components.image_processor = () => imageInputs(settings) // in the place of transformers.js's own scaling
  control = await readControlText(folder)
  model = await AutoModelForImageTextToText.from_pretrained(folder, options) // its config.json says which format the files are in
  checkLengthOfAnswers()
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

function checkLengthOfAnswers() {
  const limit = model.config.text_config.max_position_embeddings
  if (mostTokens < limit) return
  throw new Error(`回答最多 ${mostTokens} 个词元,而模型总共只读 ${limit} 个,问题没有位置。请在地址里写一个更小的数,例如 ?tokens=${limit >> 2}。`)
}

async function readControlText(folder) {
  const [tokenizer, config] = await Promise.all(
    ['tokenizer.json', 'tokenizer_config.json'].map((name) => fetch(besides(`${folder}/${name}`)).then((reply) => reply.json())),
  )
  return new ControlText(tokenizer, processor.tokenizer, new PreTrainedTokenizer({ ...tokenizer, added_tokens: [] }, config))
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

async function inputsFor(messages) {
  const image = tiles ? await processor(processor.image_token, [[]]) : {} // the processor asks for an image
  const ids = control.promptIds(messages, processor.image_token, tiles ? image.input_ids.tolist()[0] : [])
  const numTokens = ids.length
  const limit = model.config.text_config.max_position_embeddings
  if (numTokens + mostTokens > limit) throw new Error(`对话太长:已有 ${numTokens} 个词元,模型最多读 ${limit} 个。请重新放入图片,开始新的对话。`)
  const integers = (values) => new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length])
  return { ...image, input_ids: integers(ids), attention_mask: integers(ids.map(() => 1)) }
}

async function answer(question) {
  const isFirst = messages.length === 0
  const content = [{ type: 'text', text: question }]
  if (isFirst && tiles) content.unshift({ type: 'image' })
  const asked = [...messages, { role: 'user', content }]
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  let firstSeconds = 0
  let numTokens = 0
  let text = ''
  let numShown = 0
  const showText = (certain) => {
    if (certain.length > numShown) postMessage({ kind: 'text', text: certain.slice(numShown) })
    numShown = Math.max(numShown, certain.length)
  }
  const streamer = new TextStreamer(processor.tokenizer, {
    skip_prompt: true,
    skip_special_tokens: true,
    callback_function(piece) {
      text += piece
      showText(afterClosings(text))
    },
    token_callback_function() {
      numTokens += 1
      firstSeconds ||= seconds()
    },
  })
  const inputs = await inputsFor(asked)
  await model.generate({ ...inputs, max_new_tokens: mostTokens, do_sample: false, streamer, stopping_criteria: stopping })
  const said = afterClosings(text, true)
  showText(said)
  messages = [...asked, { role: 'assistant', content: said }]
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
