// What the user sees and does. The model lives in a worker, so that the page answers while it thinks.

import { readAddress } from './address.js'

const find = (id) => document.getElementById(id)
const worker = startWorker(new URL('worker.js', import.meta.url))

let answer = null // the paragraph that is being written
let isReady = false
let isAnswering = false
let numTaken = 0

/** A worker under the page's own policy: one that comes straight from a server has none but what the server sends along. */
function startWorker(address) {
  const source = `import ${JSON.stringify(address.href)}`
  return new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' })
}

function say(text, isWrong = false) {
  if (find('state').textContent !== text) find('state').textContent = text
  find('state').classList.toggle('wrong', isWrong)
}

function enable() {
  find('question').disabled = find('ask').disabled = !isReady || isAnswering
  find('stop').hidden = !isAnswering
}

function show(kind, text = '') {
  const paragraph = document.createElement('p')
  paragraph.className = kind
  paragraph.textContent = text
  find('talk').append(paragraph)
  paragraph.scrollIntoView({ block: 'end' })
  return paragraph
}

const FAILURES = { load: '模型不能读取', picture: '图片不能读取', ask: '没有回答' }
const ENDINGS = { end: '', stopped: ',已停止', length: ',已到长度上限' }

const listeners = {
  progress({ loaded, total }) {
    find('progress').max = total
    find('progress').value = loaded
    say(`正在读取模型:${(loaded / 1e6).toFixed(0)} / ${(total / 1e6).toFixed(0)} MB`)
  },
  ready() {
    isReady = true
    find('progress').hidden = true
    say('可以提问了。模型在这台设备上运行,不联网。')
    enable()
  },
  text({ text }) {
    answer.append(text)
  },
  done({ seconds, firstSeconds, numTokens, ending }) {
    const note = document.createElement('small')
    note.textContent = `\n${numTokens} 个词元,首个 ${firstSeconds.toFixed(1)} 秒,共 ${seconds.toFixed(1)} 秒${ENDINGS[ending]}`
    answer.append(note)
    isAnswering = false
    say('可以继续提问。')
    enable()
  },
  wrong({ task, message }) {
    if (task === 'load') find('progress').hidden = true
    if (task === 'ask') {
      if (!answer.textContent) answer.remove()
      isAnswering = false
    }
    say(`${FAILURES[task]}:${message}`, true)
    enable()
  },
}
worker.onmessage = ({ data }) => listeners[data.kind](data)
worker.onerror = ({ message }) => {
  // without a message a file could not be fetched
  listeners.wrong({ task: 'load', message: message ?? 'worker.js 或 runtime/ 里的文件读不到。先运行 npm run gather,再用网页服务器打开本页。' })
}

/** Talk about a picture from now on; the talk about the one before ends, an answer that is being written too. */
async function take(file) {
  if (!file) return
  const number = ++numTaken
  const canRead = await createImageBitmap(file).then(
    (bitmap) => (bitmap.close(), true),
    () => false,
  )
  if (number !== numTaken) return // another came meanwhile
  if (!canRead) {
    say(`${file.name} 不能读取:它不是图片,或已损坏,或是浏览器不认识的格式。`, true)
    return
  }
  worker.postMessage({ kind: 'stop' })
  worker.postMessage({ kind: 'picture', file })
  URL.revokeObjectURL(find('preview').src)
  find('preview').src = URL.createObjectURL(file)
  find('preview').alt = file.name
  find('preview').hidden = false
  find('hint').hidden = true
  find('talk').replaceChildren()
  if (isReady && !isAnswering) say('可以提问了。')
}

find('picture').onclick = () => find('file').click()
find('picture').onkeydown = (event) => (event.key === 'Enter' || event.key === ' ') && find('file').click()
find('file').onchange = ({ target }) => {
  take(target.files[0])
  target.value = '' // so that the same file can be chosen again
}
document.ondragover = (event) => {
  event.preventDefault()
  find('picture').classList.add('over')
}
document.ondragleave = () => find('picture').classList.remove('over')
document.ondrop = (event) => {
  event.preventDefault()
  find('picture').classList.remove('over')
  take(event.dataTransfer.files[0])
}
document.onpaste = (event) => take(event.clipboardData.files[0])

find('form').onsubmit = (event) => {
  event.preventDefault()
  const question = find('question').value.trim()
  if (!question || !isReady || isAnswering) return
  show('question', question)
  answer = show('answer')
  find('question').value = ''
  isAnswering = true
  say('正在回答……')
  enable()
  worker.postMessage({ kind: 'ask', question })
}
find('stop').onclick = () => worker.postMessage({ kind: 'stop' })

try {
  worker.postMessage({ kind: 'load', ...readAddress(new URL(location.href)) })
} catch ({ message }) {
  listeners.wrong({ task: 'load', message })
}
