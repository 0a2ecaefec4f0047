// Drives the graphql-ws client as lines of JSON on standard input say, and tells what it meets as lines of JSON.
// Usage: node graphql_ws_client.mjs URL FOLDER, the one with node_modules
//   {"open": NAME, "options": {…}}                   a client; `params` are its connectionParams
//   {"client": NAME, "subscribe": ID, "request": {…}}  an operation of it
//   {"client": NAME, "complete": ID}                  unsubscribe
//   {"client": NAME, "raw": TEXT}                     a message that the client itself would not send
//   {"client": NAME, "pause"|"resume"|"dispose"|"terminate": true}
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [url, packages] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${packages}/`));
const { createClient } = require("graphql-ws");
const WebSocket = require("ws");
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const clients = new Map();

function open(name, { params, headers, protocol, stall, ...options }) {
    const state = { subscriptions: new Map(), socket: null };
    class Socket extends WebSocket {
        constructor(address, protocols) {
            super(address, protocol ?? protocols, { headers });
            state.socket = this;
        }
    }
    state.client = createClient({
        url, webSocketImpl: Socket, retryAttempts: 0, lazy: false, ...options,
        connectionParams: stall ? () => new Promise(() => {}) : params,
        retryWait: () => new Promise((done) => setTimeout(done, 50)),
        shouldRetry: () => true, // also where a connection is refused, which is no close
        onNonLazyError: () => {},
        on: {
            connected: (_, payload) => tell({ client: name, event: "connected", payload }),
            ping: (received, payload) => tell({ client: name, event: "ping", received, payload }),
            pong: (received, payload) => tell({ client: name, event: "pong", received, payload }),
            closed: ({ code, reason }) => tell({ client: name, event: "closed", code, reason }),
        },
    });
    clients.set(name, state);
}

function subscribe(name, id, request) {
    const state = clients.get(name);
    const say = (event, more) => tell({ client: name, id, event, ...more });
    state.subscriptions.set(id, state.client.subscribe(request, {
        next: (payload) => say("next", { payload }),
        error: (error) => say("error", Array.isArray(error) ? { errors: error } : { code: error.code, reason: error.reason }),
        complete: () => say("complete"),
    }));
}

for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    const state = clients.get(command.client);
    if (command.open) open(command.open, command.options);
    else if (command.subscribe) subscribe(command.client, command.subscribe, command.request);
    else if (command.complete) state.subscriptions.get(command.complete)();
    else if (command.pause) state.socket.pause();
    else if (command.resume) state.socket.resume();
    else if (command.raw !== undefined) state.socket.send(command.raw);
    else if (command.dispose) state.client.dispose();
    else if (command.terminate) state.client.terminate();
}
process.exit(0);
