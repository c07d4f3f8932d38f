// Copies what the page needs from the installed packages into runtime/, beside it. After that nothing is fetched from anywhere.

import { copyFileSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const modules = process.argv[2] ?? join(here, 'node_modules')
const resolve = createRequire(join(modules, 'x.js')).resolve
const transformers = dirname(resolve('@huggingface/transformers'))
const onnxruntime = dirname(resolve('onnxruntime-web'))

mkdirSync(join(here, 'runtime'), { recursive: true })
for (const [folder, name] of [
  [transformers, 'transformers.min.js'],
  [onnxruntime, 'ort-wasm-simd-threaded.mjs'],
  [onnxruntime, 'ort-wasm-simd-threaded.wasm'],
]) {
  copyFileSync(join(folder, name), join(here, 'runtime', name))
  console.log(`runtime/${name}`)
}
