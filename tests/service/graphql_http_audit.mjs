// Runs the audits of the graphql-http package against a server and prints one line of JSON each:
// {"id", "name", "status": "ok", "notice", "warn" or "error", "reason"}.
// Usage, in a folder whose node_modules has the package: graphql_http_audit.mjs URL TOKEN
import { createRequire } from "node:module";

const { serverAudits } = createRequire(`${process.cwd()}/`)("graphql-http");
const [url, token] = process.argv.slice(2);

const fetchFn = (target, init = {}) =>
  fetch(target, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });

for (const audit of serverAudits({ url, fetchFn })) {
  const { id, name, status, reason = "" } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
