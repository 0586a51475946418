// What a function logs and how its errors read: AWS's lines and AWS's JSON, to the telemetry descriptor if there is one.

import { AsyncLocalStorage } from "node:async_hooks";
import { writeSync } from "node:fs";
import { format, types } from "node:util";

const env = process.env;

export const withCallbacks = Number(process.versions.node.split(".")[0]) < 24;

// An error of AWS's, such as Runtime.HandlerNotFound: its class has the short name, which JSON logs show.
export function runtimeError(kind, message, details = {}) {
  const RuntimeError = { [kind]: class extends Error {} }[kind];
  RuntimeError.prototype.name = `Runtime.${kind}`;
  return Object.assign(new RuntimeError(message), details);
}

const isError = (value) => value instanceof Error || types.isNativeError(value);

// AWS's words.
const UNDESCRIBABLE =
  "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack";

// Any value can be thrown; the platform wants a type, a message and a trace of it.
export function described(thrown) {
  try {
    if (!isError(thrown)) return { errorType: typeof thrown, errorMessage: String(thrown), trace: [] };
    const { name, message, stack } = thrown;
    return { errorType: name, errorMessage: message, trace: stack?.split("\n") ?? [] };
  } catch {
    return { errorType: "handled", errorMessage: UNDESCRIBABLE, trace: [] };
  }
}

const withEnumerable = (_, value) =>
  value instanceof Error
    ? {
        errorType: value.name,
        errorMessage: value.message,
        code: value.code,
        ...value,
        stack: value.stack?.split("\n"),
      }
    : value;

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const FRAME = { TEXT: 0xa55a0003, JSON: 0xa55a0002 };
const logFormat = env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON" ? "JSON" : "TEXT";
const telemetry = env._LAMBDA_TELEMETRY_LOG_FD && Number(env._LAMBDA_TELEMETRY_LOG_FD);
delete env._LAMBDA_TELEMETRY_LOG_FD;

// Which invocation a log line belongs to; in a timer that the module itself started, the latest.
const requests = new AsyncLocalStorage();
let latest = withCallbacks ? undefined : "-";

export const requestId = () => requests.getStore() ?? latest;

export function duringRequest(id, act, { alone }) {
  latest = id;
  return alone ? act() : requests.run(id, act);
}

const errorDetails = (error) => ({
  errorType: error.constructor?.name ?? "UnknownError",
  errorMessage: error.message,
  stackTrace: error.stack?.split("\n") ?? [],
});

function jsonLine(time, level, values) {
  const record = { timestamp: time, level, requestId: requestId() };
  const nested = (_, value) => (value instanceof Error ? { ...errorDetails(value), ...value } : value);
  if (values.length === 1) {
    try {
      return JSON.stringify({ ...record, message: values[0] }, nested);
    } catch {
      return JSON.stringify({ ...record, message: format(values[0]) });
    }
  }
  const error = values.find((value) => value instanceof Error);
  return JSON.stringify({ ...record, message: format(...values), ...(error && errorDetails(error)) });
}

function log(level, values) {
  const now = new Date();
  const time = now.toISOString();
  const line =
    logFormat === "JSON"
      ? jsonLine(time, level, values)
      : `${time}\t${requestId()}\t${level}\t${format(...values)}`;
  if (telemetry === undefined) process.stdout.write(`${line.replaceAll("\n", "\r")}\n`);
  else writeFrame(FRAME[logFormat] | ((LEVELS.indexOf(level) + 1) * 4), now, line);
}

function writeFrame(kind, time, line) {
  const message = Buffer.from(`${line}\n`);
  const head = Buffer.alloc(16);
  head.writeUInt32BE(kind >>> 0, 0);
  head.writeUInt32BE(message.length, 4);
  head.writeBigInt64BE(BigInt(time.valueOf()) * 1000n, 8);
  const frame = Buffer.concat([head, message]);
  for (let written = 0; written < frame.length; ) {
    try {
      written += writeSync(telemetry, frame, written);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      // The pipe is full, and somebody made it non-blocking: give its reader a millisecond.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

export function patchConsole() {
  const least = Math.max(LEVELS.indexOf(env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()), 0);
  LEVELS.forEach((level, rank) => {
    console[level.toLowerCase()] = rank < least ? () => {} : (...values) => log(level, values);
  });
  console.log = console.info;
}

export function logError(what, thrown) {
  const error = isError(thrown) ? thrown : new Error(String(thrown));
  if (logFormat === "JSON") console.error(error);
  else console.error(what, `\t${JSON.stringify(error, withEnumerable)}`);
}
