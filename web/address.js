// What the page's address asks for: a folder of this site with a model, and how long answers may grow.

/** `{ model, mostTokens }` of a URL, or an error for what the page does not do. */
export function readAddress(address) {
  const model = address.searchParams.get('model') ?? 'model'
  const tokens = address.searchParams.get('tokens') ?? '512'
  if (!isFolderOfThisSite(model, address)) {
    throw new Error(`地址里的 model=${model} 不是本站的文件夹。把导出的模型放在本页旁边,写它的名字,例如 ?model=model。`)
  }
  if (!/^[1-9]\d{0,5}$/.test(tokens)) throw new Error(`地址里的 tokens=${tokens} 不是 1 到 999999 的整数。例如 ?tokens=512。`)
  return { model, mostTokens: Number(tokens) }
}

/** Whether what a browser makes of a name lies on the host that the page came from; `//host` and `https://host` do not. */
function isFolderOfThisSite(name, { href, origin, protocol }) {
  if (!name || URL.canParse(name) || !URL.canParse(`${name}/`, href)) return false
  const folder = new URL(`${name}/`, href)
  return folder.origin === origin && folder.protocol === protocol && !folder.username && !folder.search && !folder.hash
}
