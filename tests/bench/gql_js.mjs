// The cases of engine.py by graphql-js and graphql-jit. Usage: gql_js.mjs INPUTS, then lines of
// `CASE MILLISECONDS` on standard input; each answers with one JSON object. `CASE+serializer` takes
// graphql-jit's own serializer where the plain case takes JSON.stringify.
import fs from 'node:fs';
import readline from 'node:readline';
import { buildSchema, parse, validate } from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';

const inputs = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const schemas = Object.fromEntries(
  Object.entries(inputs.schemas).map(([name, sdl]) => [name, buildSchema(sdl)]));

function compile(schema, document, withSerializer) {
  const compiled = compileQuery(schema, document, undefined, { customJSONSerializer: withSerializer });
  if (!isCompiledQuery(compiled)) throw new Error(JSON.stringify(compiled));
  return compiled;
}

// A function that does the case once and returns how many bytes it read or wrote.
function makeCase(c, withSerializer) {
  const schema = schemas[c.schema];
  const size = Buffer.byteLength(c.document);
  if (c.work === 'parse') return () => (parse(c.document), size);
  const document = parse(c.document);
  const errors = validate(schema, document);
  if (errors.length) throw errors[0];
  if (c.work === 'validate') return () => (validate(schema, document), size);
  if (c.work === 'plan') {
    return () => {
      const parsed = parse(c.document);
      validate(schema, parsed);
      compile(schema, parsed, false);
      return size;
    };
  }
  const compiled = compile(schema, document, withSerializer);
  const toText = withSerializer ? compiled.stringify : JSON.stringify;
  let length = 0;
  return () => {
    const text = toText(compiled.query(inputs.data, {}, c.variables));
    length ||= Buffer.byteLength(text);
    return length;
  };
}

const made = new Map();
function find(name) {
  if (!made.has(name)) {
    const plain = name.replace('+serializer', '');
    const c = inputs.cases.find((one) => one.name === plain);
    made.set(name, makeCase(c, plain !== name));
  }
  return made.get(name);
}

// CPU time of the whole process, so that collecting and compiling count.
function run(once, milliseconds) {
  let operations = 0;
  let bytes = 0;
  let used_us = 0;
  const before = process.cpuUsage();
  do {
    for (let i = 0; i < 8; i++) bytes = once();
    operations += 8;
    const used = process.cpuUsage(before);
    used_us = used.user + used.system;
  } while (used_us < milliseconds * 1000);
  return { operations, bytes, cpu_ns: used_us * 1000 };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const [name, milliseconds] = line.split(' ');
  console.log(JSON.stringify(run(find(name), Number(milliseconds))));
}
