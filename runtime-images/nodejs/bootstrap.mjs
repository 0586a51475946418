// The Node.js runtime client for machines on which AWS's own, aws-lambda-ric, does not build.
//
// Rule: to a function it is AWS's: how handlers are found and called, the context, the log lines, the errors and the
// exit statuses. From Node.js 24 on a handler has no callback and a crash is Node.js's own, as in aws-lambda-ric 4.

import { existsSync, readFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

import {
  described,
  duringRequest,
  logError,
  patchConsole,
  requestId,
  runtimeError,
  withCallbacks,
} from "./log.mjs";

const require = createRequire(import.meta.url);
const env = process.env;
const concurrency = Number(env.AWS_LAMBDA_MAX_CONCURRENCY ?? 1);

const [host, port] = env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

function call(method, resource, body, headers = {}) {
  const options = { host, port, agent, method, path: `/2018-06-01/runtime/${resource}`, headers };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body), ...headers };
  }
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const postError = (resource, thrown, headers) => call("POST", resource, JSON.stringify(described(thrown)), headers);

function postInitError(thrown) {
  return postError("init/error", thrown, { "Lambda-Runtime-Function-Error-Type": described(thrown).errorType });
}

async function loadHandler(root, name) {
  if (name.includes("..")) {
    const advice = "Use absolute paths when specifying root directories in handler names.";
    throw runtimeError("MalformedHandlerName", `'${name}' is not a valid handler name. ${advice}`);
  }
  const parts = path.basename(name).match(/^([^.]*)\.(.+)$/);
  if (!parts) throw runtimeError("MalformedHandlerName", "Bad handler");
  const [, file, property] = parts;
  const module = await importUserModule(path.resolve(root, path.dirname(name)), file);
  const find = (object) => property.split(".").reduce((value, key) => value?.[key], object);
  const handler = find(module) ?? find(module.default);
  if (!handler) throw runtimeError("HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof handler !== "function") throw runtimeError("HandlerNotFound", `${name} is not a function`);
  return handler;
}

async function importUserModule(folder, file) {
  const place = path.join(folder, file);
  const found = ["", ".js", ".mjs", ".cjs"].map((extension) => place + extension).find(isFile);
  try {
    return await load(found ?? require.resolve(file, { paths: [folder] }));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw runtimeError("UserCodeSyntaxError", String(error), { stack: error.stack });
    }
    if (error?.code === "MODULE_NOT_FOUND") throw runtimeError("ImportModuleError", String(error));
    throw error;
  }
}

const isFile = (place) => existsSync(place) && !existsSync(`${place}/.`);

// Before 24 a file is CommonJS unless its name or package.json says otherwise, whatever this Node.js could guess.
function load(file) {
  const isModule = file.endsWith(".mjs") || (file.endsWith(".js") && typeOfPackage(path.dirname(file)) === "module");
  return withCallbacks && !isModule ? require(file) : import(pathToFileURL(file));
}

function typeOfPackage(folder) {
  const description = path.join(folder, "package.json");
  if (existsSync(description)) return JSON.parse(readFileSync(description)).type;
  const above = path.dirname(folder);
  return above === folder || path.basename(folder) === "node_modules" ? undefined : typeOfPackage(above);
}

function refuseCallbacks(handler) {
  if (withCallbacks || handler.length < 3) return;
  throw runtimeError(
    "CallbackHandlerDeprecated",
    "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24." +
      " You need to modify this function to use a supported handler signature to use Node.js 24 or later." +
      " For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.",
  );
}

// What ends the invocation when nothing is left to do: a handler without callbacks waits for that.
let whenIdle;
process.on("beforeExit", () => whenIdle?.());

function contextOf(headers) {
  const parsed = (header, name) => {
    try {
      return header && JSON.parse(header);
    } catch (error) {
      throw new Error(`Cannot parse ${name} as json: ${error}`);
    }
  };
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed(headers["lambda-runtime-client-context"], "ClientContext"),
    identity: parsed(headers["lambda-runtime-cognito-identity"], "CognitoIdentity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    ...(!withCallbacks && { xRayTraceId: headers["lambda-runtime-trace-id"] }),
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

// Calls a handler that may answer by promise, callback or context: the first answer counts.
function outcomeOf(handler, event, facts) {
  return new Promise((resolve, reject) => {
    let answered = false;
    let waits = concurrency === 1;
    const first = (answer) => (...values) => {
      if (answered) return;
      answered = true;
      answer(...values);
    };
    const done = (error, value) => {
      whenIdle = undefined;
      if (error === undefined || error === null) resolve(value);
      else reject(error);
    };
    const callback = (error, value) => {
      if (waits && (error === undefined || error === null)) whenIdle = () => done(null, value);
      else done(error, value);
    };
    const context = {
      get callbackWaitsForEmptyEventLoop() {
        return waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waits = value;
      },
      succeed: first((value) => done(null, value)),
      fail: first((error) => done(error ?? "handled")),
      done: first(done),
    };
    whenIdle = () => done(null, null);
    const returned = handler(event, Object.assign(context, facts), first(callback));
    if (typeof returned?.then === "function") returned.then(context.succeed, context.fail);
  });
}

function serialised(value) {
  try {
    return JSON.stringify(value) ?? "null";
  } catch {
    const message = "Unable to stringify response body";
    throw withCallbacks ? new Error(message) : runtimeError("JSONStringifyError", message);
  }
}

async function invoke(handler, { headers, body }) {
  const id = encodeURIComponent(headers["lambda-runtime-aws-request-id"]);
  let response;
  try {
    const event = JSON.parse(body);
    const facts = contextOf(headers);
    response = serialised(await (withCallbacks ? outcomeOf(handler, event, facts) : handler(event, facts)));
  } catch (error) {
    logError("Invoke Error", error);
    return postError(`invocation/${id}/error`, error);
  }
  return call("POST", `invocation/${id}/response`, response);
}

async function serve(handler) {
  for (;;) {
    const invocation = await call("GET", "invocation/next");
    const id = invocation.headers["lambda-runtime-aws-request-id"];
    const trace = invocation.headers["lambda-runtime-trace-id"];
    if (trace) env._X_AMZN_TRACE_ID = trace;
    else delete env._X_AMZN_TRACE_ID;
    await duringRequest(id, () => invoke(handler, invocation), { alone: concurrency === 1 });
  }
}

async function die(what, error, status) {
  logError(what, error);
  const request = requestId();
  try {
    await (request ? postError(`invocation/${encodeURIComponent(request)}/error`, error) : postInitError(error));
  } finally {
    process.exit(status);
  }
}

async function start() {
  try {
    const handler = await loadHandler(process.cwd(), process.argv[2] ?? env._HANDLER);
    refuseCallbacks(handler);
    return handler;
  } catch (error) {
    if (withCallbacks) return die("Uncaught Exception", error, 129);
    logError("Init Error", error);
    await postInitError(error);
    throw error;
  }
}

patchConsole();
if (withCallbacks) {
  process.on("uncaughtException", (error) => die("Uncaught Exception", error, 129));
  process.on("unhandledRejection", (reason, promise) => {
    const error = runtimeError("UnhandledPromiseRejection", String(reason), { reason, promise });
    die("Unhandled Promise Rejection", error, 128);
  });
}
const handler = await start();
for (let number = 0; number < concurrency; number++) serve(handler);
