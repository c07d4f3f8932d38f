// Uses the page as a person would, in headless Chromium; run by test_web_page.py.
//
// node web_page.mjs <node_modules> <job.json>: writes JSON to stdout, what the page showed after each step. The page is served from here,
// on a free port of 127.0.0.1, under a policy that forbids it every other host; the browser reports each attempt back to here. Names of
// other hosts are not even looked up. A visit with `bare` has the page's own policy alone. Another port stands for another host that would
// answer whoever asks, and notes what it is asked for: ELSEWHERE in addresses.

import { createReadStream, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const [modules, jobFile] = process.argv.slice(2);
const { default: puppeteer } = await import(pathToFileURL(createRequire(join(modules, "x.js")).resolve("puppeteer-core")).href);
const job = JSON.parse(readFileSync(jobFile, "utf-8"));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };
const POLICY = ["default-src 'self'", "script-src 'self' blob: 'wasm-unsafe-eval'", "worker-src 'self' blob:", "img-src 'self' blob: data:"];
const HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin", // with the next, for threads
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": `${POLICY.join("; ")}; report-uri /report`,
};

function listen(server) {
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}

const BARE = "/bare"; // in front of paths that are served without headers

async function serve(request, response) {
    if (request.url === "/report") {
        asked.push(JSON.parse(await text(request))["csp-report"]["blocked-uri"]);
        return response.writeHead(204).end();
    }
    const { pathname } = new URL(request.url, "http://x");
    const isBare = pathname.startsWith(`${BARE}/`);
    const path = join(job.site, normalize(isBare ? pathname.slice(BARE.length) : pathname));
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found?.isFile()) return response.writeHead(404).end();
    const headers = { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream", "Content-Length": found.size };
    if (!isBare) Object.assign(headers, HEADERS);
    response.writeHead(200, headers);
    return request.method === "HEAD" ? response.end() : createReadStream(path).pipe(response);
}

const [server, asked] = [createServer(serve), []]; // asked: what the page or its worker wanted of other hosts
const reached = []; // what came through to the other host
const other = createServer((request, response) => {
    reached.push(request.url);
    response.writeHead(200, { "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin" }).end("{}");
});
const port = await listen(server);
const elsewhere = `127.0.0.1:${await listen(other)}`;
const browser = await puppeteer.launch({
    executablePath: job.browser,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"],
});

/** Notes each text that #state shows and how often an answer grows. */
function watch() {
    window.states = [];
    window.growths = 0;
    new MutationObserver((changes) => {
        for (const { target, addedNodes } of changes) {
            if (target.id === "state") window.states.push(target.textContent);
            if (target.className === "answer" && [...addedNodes].some(({ nodeType }) => nodeType === Node.TEXT_NODE)) window.growths += 1;
        }
    }).observe(document, { childList: true, subtree: true });
}

async function open(address, isBare) {
    const page = await browser.newPage();
    page.setDefaultTimeout(120_000); // machines may be busy
    await page.evaluateOnNewDocument(watch);
    await page.goto(`http://127.0.0.1:${port}${isBare ? BARE : ""}/index.html${address.replace("ELSEWHERE", elsewhere)}`);
    await settled(page);
    return page;
}

/** Waits until the page can be asked, or says that something is wrong. */
function settled(page) {
    return page.waitForFunction(() => !document.getElementById("question").disabled || document.querySelector("#state.wrong"));
}

async function drop(page, { name, type, base64 }) {
    const before = await page.$eval("#preview", ({ src }) => src);
    await page.evaluate(
        ({ name, type, base64 }) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name, { type }));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        },
        { name, type, base64 },
    );
    const isTaken = (before) => document.getElementById("preview").src !== before || document.querySelector("#state.wrong");
    await page.waitForFunction(isTaken, {}, before);
}

async function ask(page, question) {
    await page.evaluate(() => (window.growths = 0));
    await page.type("#question", question);
    await page.click("#ask");
    await settled(page);
}

/** Asks, and does something else while the answer is written. */
async function interrupt(page, question, action) {
    await page.type("#question", question);
    await page.click("#ask");
    await page.waitForFunction(() => document.querySelector("#talk .answer:last-child")?.textContent);
    await action();
    await settled(page);
}

const steps = {
    drop: (page, { file }) => drop(page, file),
    ask: (page, { question }) => ask(page, question),
    stop: (page, { question }) => interrupt(page, question, () => page.click("#stop")),
    drop_while_answering: (page, { question, file }) => interrupt(page, question, () => drop(page, file)),
    /** From the page, from its worker, and from a script, a picture and a form of another host. */
    reach_elsewhere: async (page) => {
        const look = (host) => fetch(`http://${host}/fetched`).catch(() => null);
        await page.evaluate(look, elsewhere);
        await Promise.all(page.workers().map((worker) => worker.evaluate(look, elsewhere)));
        await page.evaluate(async (host) => {
            const add = (name, settings) => document.body.append(Object.assign(document.createElement(name), settings));
            add("script", { src: `http://${host}/script` });
            add("img", { src: `http://${host}/picture` });
            add("iframe", { src: `http://${host}/frame` });
            add("form", { action: `http://${host}/form` });
            document.forms[document.forms.length - 1].submit();
            await new Promise((resolve) => setTimeout(resolve, 500));
        }, elsewhere);
    },
    /** What must be reported; else no report would mean nothing. */
    ask_elsewhere: async (page) => {
        const look = (host) => fetch(`http://${host}/`).catch(() => null);
        await page.evaluate(look, "page.example");
        await page.evaluate(async () => {
            const source = "fetch('http://worker.example/').catch(() => null).then(() => postMessage(0))";
            const worker = new Worker(URL.createObjectURL(new Blob([source])));
            await new Promise((resolve) => (worker.onmessage = resolve));
        });
    },
};

function look(page) {
    return page.evaluate(() => ({
        state: document.getElementById("state").textContent,
        isWrong: document.getElementById("state").classList.contains("wrong"),
        canAsk: !document.getElementById("question").disabled,
        answers: [...document.querySelectorAll("#talk .answer")].map(({ childNodes }) =>
            [...childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE).map(({ data }) => data).join(""),
        ),
        notes: [...document.querySelectorAll("#talk small")].map(({ textContent }) => textContent.trim()),
        picture: document.getElementById("preview").alt,
        growths: window.growths,
        states: window.states,
        isIsolated: window.crossOriginIsolated,
    }));
}

/** That a browser without a policy reaches the other host; else its silence would mean nothing. */
async function reachWithoutPolicy() {
    const page = await browser.newPage();
    await page.evaluate((host) => fetch(`http://${host}/without_policy`, { mode: "no-cors" }), elsewhere);
    await page.close();
}

const visits = {};
try {
    await reachWithoutPolicy();
    for (const [name, { address, bare, steps: wanted }] of Object.entries(job.visits)) {
        const page = await open(address, bare);
        visits[name] = [await look(page)];
        for (const step of wanted) {
            await steps[step.kind](page, step).catch(async ({ message }) => {
                throw new Error(`${step.kind} ${step.question ?? ""}: ${message} The page: ${JSON.stringify(await look(page))}`);
            });
            visits[name].push(await look(page));
        }
        await page.close();
    }
} finally {
    await browser.close();
    server.close();
    other.close();
}
process.stdout.write(JSON.stringify({ visits, asked, reached }));
