// Asks a GGUF model through llama.cpp's Node binding. Run by llama_node.py: node llama_node.mjs JOB.json ANSWERS.json
// (the binding's native part writes its log to stdout, so the answers go to a file).

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const [jobPath, answersPath] = process.argv.slice(2)
const job = JSON.parse(readFileSync(jobPath, 'utf-8'))
const { loadModel, BuildInfo } = createRequire(job.modules)('@fugood/llama.node')

const started = performance.now()
const context = await loadModel({
  model: job.text,
  n_ctx: job.context,
  n_threads: job.threads,
  n_gpu_layers: 0,
  n_parallel: 1,
  ...job.settings,
})
if (job.vision && !context.initMultimodal({ path: job.vision, use_gpu: false, ...job.picture_settings })) {
  throw new Error(`llama.cpp refuses ${job.vision}`)
}
const secondsToLoad = (performance.now() - started) / 1000

// An answer may arrive shortly before the binding is ready for the next question; where it stays busy, llama_node.py starts anew.
async function complete(options) {
  for (let patience = 200; ; patience--) {
    try {
      return await context.completion(options)
    } catch (error) {
      if (patience === 0 || !error.message.includes('Another completion is in progress')) throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

const replies = []
let numSteps = 0 // the binding returns the steps of all answers so far
for (const { messages, images, tools } of job.conversations) {
  const settings = { jinja: true, enable_thinking: false, add_generation_prompt: true, ...(tools && { tools }) }
  const chat = context.getFormattedChat(messages, undefined, settings)
  const { tokens } = await context.tokenize(chat.prompt, { media_paths: images })
  const reply = { prompt: chat.prompt, prompt_ids: Array.from(tokens), pieces: [], text: '', prompt_ms: 0, predicted_ms: 0 }
  if (job.max_new_tokens > 0) {
    const answer = await complete({
      prompt: chat.prompt,
      media_paths: images,
      n_predict: job.max_new_tokens,
      n_probs: 1,
      temperature: 0,
      top_k: 1, // at temperature 0 alone the binding still draws
      penalty_repeat: 1,
      logit_bias: job.suppressed_ids.map((id) => [id, -1e30]),
    })
    const steps = answer.completion_probabilities ?? []
    reply.pieces = steps.slice(numSteps).map((step) => step.probs[0].tok_str)
    numSteps = steps.length
    reply.text = answer.text
    reply.prompt_ms = answer.timings.prompt_ms
    reply.predicted_ms = answer.timings.predicted_ms
  }
  replies.push(reply)
}

const build = `llama.cpp b${BuildInfo.number} (${BuildInfo.commit})`
const peakBytes = process.resourceUsage().maxRSS * 1024
writeFileSync(`${answersPath}.partial`, JSON.stringify({ build, secondsToLoad, peakBytes, replies }))
renameSync(`${answersPath}.partial`, answersPath)
process.exit()
