/* patient.cjs: loaded before Azurite (node --require). Azurite's server then closes no connection for a time-out.
 *
 * Node's servers close a connection that was idle for 5 s, whose headers take 60 s, or whose request takes 300 s: an
 * outage of seconds on the path would end sessions that a real account keeps for minutes, and it would look like a
 * reset that the hub caused. Here no limit is short enough to meet, so the tenant has none.
 *
 * What the server closes all the same it says, a line of JSON with the last request's x-ms-client-request-id: then
 * neither the client's end (FIN) nor an error (RST) came first.
 */
"use strict";

const https = require("https");

const HANDSHAKE_MS = 2 ** 31 - 1; /* the longest that a timer of Node can wait: 24 days */
const create = https.createServer;

https.createServer = function (options, ...rest) {
    const server = create.call(https, { ...options, handshakeTimeout: HANDSHAKE_MS }, ...rest);
    /* Not before: Azurite sets a time-out and takes away the listeners while it builds its server. */
    server.on("listening", () => {
        server.keepAliveTimeout = server.headersTimeout = server.requestTimeout = 0;
        server.timeout = server.maxRequestsPerSocket = 0;
        server.on("request", (request) => {
            request.socket.lastRequest = request.headers["x-ms-client-request-id"];
        });
    });
    server.on("secureConnection", (socket) => {
        let left = false;
        socket.on("end", () => (left = true)).on("error", () => (left = true));
        socket.on("close", (failed) => {
            if (!left && !failed && socket.lastRequest)
                console.log(JSON.stringify({ closed: socket.lastRequest }));
        });
    });
    return server;
};
