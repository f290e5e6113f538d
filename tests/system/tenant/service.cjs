/* service.cjs: loaded before Azurite (NODE_OPTIONS): what a storage account does and Azurite does not.
 *
 * The file SERVICE_ORDERS says what, and is read at each request:
 *     {"busy": {"method": "PUT", "path": "-content/", "times": 3, "after": 1}, "soft_delete": true}
 * The first `times` requests of that method whose path has that text are answered 503, Retry-After: `after`. With
 * soft_delete a container that was removed is still listed, to who asks for those (include=deleted).
 * Each refusal is a line in the file SERVICE_SAID.
 */
"use strict";

const fs = require("fs");
const https = require("https");

const create = https.createServer;
const deleted = new Set();
let refused = 0, before = 0;

function orders() {
    const { ino } = fs.statSync(process.env.SERVICE_ORDERS); /* each is a file of its own, moved there whole */
    if (ino !== before) refused = 0;
    before = ino;
    return JSON.parse(fs.readFileSync(process.env.SERVICE_ORDERS, "utf8"));
}

function throttled(request, response, { method, path, times, after }) {
    if (request.method !== method || !request.url.includes(path) || refused >= times) return false;
    refused += 1;
    fs.appendFileSync(process.env.SERVICE_SAID, `503 ${request.method} ${request.url.split("?")[0]}\n`);
    response.writeHead(503, { "Retry-After": after, "x-ms-error-code": "ServerBusy", "Content-Type": "application/xml" });
    response.end("<?xml version=\"1.0\"?><Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>");
    request.resume();
    return true;
}

function listing(response, prefix) {
    const names = [...deleted].filter((name) => name.startsWith(prefix)).sort();
    const entries = names.map((name) => `<Container><Name>${name}</Name><Version>01</Version><Deleted>true</Deleted>` +
        "<Properties><Last-Modified>Fri, 27 Nov 2026 00:00:00 GMT</Last-Modified><Etag>1</Etag></Properties></Container>");
    const write = response.write.bind(response), end = response.end.bind(response);
    let body = "";
    response.write = (chunk) => { body += chunk; return true; };
    response.end = (chunk) => {
        body += chunk && typeof chunk !== "function" ? chunk : "";
        body = body.replace("<Containers/>", "<Containers></Containers>").replace("</Containers>", entries.join("") + "</Containers>");
        response.removeHeader("Content-Length");
        write(body);
        return end();
    };
}

https.createServer = function (...words) {
    const server = create.apply(https, words);
    const emit = server.emit;
    server.emit = function (event, request, response) {
        if (event === "request") {
            const told = orders(), url = new URL(request.url, "https://host");
            if (told.busy && throttled(request, response, told.busy)) return true;
            if (told.soft_delete && request.method === "DELETE" && url.searchParams.get("restype") === "container")
                deleted.add(url.pathname.slice(1));
            if ((url.searchParams.get("include") || "").includes("deleted")) { /* which Azurite refuses */
                url.searchParams.delete("include");
                request.url = url.pathname + url.search;
                listing(response, url.searchParams.get("prefix") || "");
            }
        }
        return emit.apply(this, arguments);
    };
    return server;
};
