// The GraphQL API, called with the session cookie.

/** What the server or the network answered instead of data. */
export class ApiError extends Error {
  constructor(message, code, { requestId = null, retryAfterSeconds = null, path = null } = {}) {
    super(message);
    this.code = code;
    this.requestId = requestId;
    this.retryAfterSeconds = retryAfterSeconds;
    this.path = path;
  }
}

const DEADLINE_MS = 15_000;
const HEALTH_DEADLINE_MS = 5_000; // who answers later is not there

function errorOf(errors, response) {
  const [first] = errors;
  const extensions = first.extensions ?? {};
  const after = extensions.retryAfterSeconds ?? response.headers.get("Retry-After");
  return new ApiError(first.message, extensions.code ?? "INTERNAL", {
    requestId: extensions.requestId ?? response.headers.get("X-Request-Id"),
    retryAfterSeconds: after === null || after === undefined ? null : Number(after),
    path: first.path ?? null,
  });
}

/** Runs one operation and returns its data; throws ApiError. */
export async function graphql(query, variables = {}, deadlineMs = DEADLINE_MS) {
  let response;
  try {
    response = await fetch("graphql", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/graphql-response+json, application/json" },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(deadlineMs),
    });
  } catch (cause) {
    throw cause.name === "TimeoutError"
      ? new ApiError("The server did not answer in time.", "TIMEOUT")
      : new ApiError("The server is out of reach.", "NETWORK");
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    throw new ApiError(`The server answered ${response.status} without a result.`, "INTERNAL", {
      requestId: response.headers.get("X-Request-Id"),
    });
  }
  if (answer.errors?.length) throw errorOf(answer.errors, response);
  if (!answer.data) throw new ApiError(`The server answered ${response.status}.`, "INTERNAL");
  return answer.data;
}

const USER = "id name email role lastSeenAt createdAt";

export const setup = (variables) =>
  graphql(`mutation Setup($token: String!, $email: String!, $name: String!, $password: String!) {
    setup(token: $token, email: $email, name: $name, password: $password) { user { ${USER} } }
  }`, variables);

export const login = (variables) =>
  graphql(`mutation Login($email: String!, $password: String!) {
    login(email: $email, password: $password) { user { ${USER} } }
  }`, variables);

export const logout = () => graphql("mutation Logout { logout }");

export const me = async () => (await graphql(`query Me { me { ${USER} } }`)).me;

export const users = async (variables) =>
  (await graphql(`query Users($first: Int, $after: String, $search: String) {
    users(first: $first, after: $after, search: $search) {
      nodes { ${USER} } pageInfo { hasNextPage endCursor } totalCount
    }
  }`, variables)).users;

export const createUser = async (input) =>
  (await graphql(`mutation CreateUser($input: CreateUserInput!) {
    createUser(input: $input) { ${USER} }
  }`, { input })).createUser;

/** The server's own report on itself and on what it needs. */
export const health = async () =>
  (await graphql(`query Health {
    systemHealth {
      version schemaVersion outboxWaiting outboxOldestAt
      services { name status detail since latencyMs feedLagSeconds }
    }
  }`, {}, HEALTH_DEADLINE_MS)).systemHealth;
