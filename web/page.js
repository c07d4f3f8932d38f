// What the user sees and does. The model lives in a worker, so that the page answers while it thinks.

const find = (id) => document.getElementById(id)
const worker = new Worker('worker.js', { type: 'module' })

let picture = null // a data: or blob: address
let answer = null // the paragraph that is being written
let isReady = false

function say(text, isWrong = false) {
  find('state').textContent = text
  find('state').classList.toggle('wrong', isWrong)
}

function enable(isIdle) {
  find('question').disabled = find('ask').disabled = !isReady || !isIdle
  find('stop').hidden = isIdle
}

function show(kind, text = '') {
  const paragraph = document.createElement('p')
  paragraph.className = kind
  paragraph.textContent = text
  find('talk').append(paragraph)
  paragraph.scrollIntoView({ block: 'end' })
  return paragraph
}

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
    enable(true)
  },
  text({ text }) {
    answer.textContent += text
  },
  done({ seconds, firstSeconds, numTokens }) {
    const note = document.createElement('small')
    note.textContent = `\n${numTokens} 个词元,首个 ${firstSeconds.toFixed(1)} 秒,共 ${seconds.toFixed(1)} 秒`
    answer.append(note)
    say('可以继续提问。')
    enable(true)
  },
  wrong({ message }) {
    say(message, true)
    enable(true)
  },
}
worker.onmessage = ({ data }) => listeners[data.kind](data)
worker.onerror = (event) => listeners.wrong({ message: `浏览器不能运行模型:${event.message}` })

async function take(file) {
  if (!file?.type.startsWith('image/')) {
    say(`${file ? file.name : '它'} 不是图片。`, true)
    return
  }
  if (picture) URL.revokeObjectURL(picture)
  picture = URL.createObjectURL(file)
  find('preview').src = picture
  find('preview').alt = file.name
  find('preview').hidden = false
  find('hint').hidden = true
  find('talk').replaceChildren()
  worker.postMessage({ kind: 'picture', file })
}

find('picture').onclick = () => find('file').click()
find('picture').onkeydown = (event) => (event.key === 'Enter' || event.key === ' ') && find('file').click()
find('file').onchange = (event) => take(event.target.files[0])
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
document.onpaste = (event) => event.clipboardData.files.length && take(event.clipboardData.files[0])

find('form').onsubmit = (event) => {
  event.preventDefault()
  const question = find('question').value.trim()
  if (!question) return
  show('question', question)
  answer = show('answer')
  find('question').value = ''
  say('正在回答……')
  enable(false)
  worker.postMessage({ kind: 'ask', question })
}
find('stop').onclick = () => worker.postMessage({ kind: 'stop' })

worker.postMessage({ kind: 'load', model: new URLSearchParams(location.search).get('model') ?? 'model' })
