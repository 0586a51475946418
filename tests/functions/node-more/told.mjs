// A function that does what its event tells it: {"do": "<name>", ...}; any other event is its own answer.

import { setTimeout as pause } from "node:timers/promises";

class OutOfStock extends Error {
  constructor(message) {
    super(message);
    this.name = "OutOfStock";
  }
}

let calls = 0;
const kept = [];

const told = {
  nothing: () => undefined,
  error: ({ message }) => {
    throw new OutOfStock(message);
  },
  errorText: ({ message }) => {
    throw message;
  },
  rejected: ({ message }) => Promise.reject(new OutOfStock(message)),
  callback: ({ value }, _, callback) => callback(null, value),
  callbackError: ({ message }, _, callback) => callback(new OutOfStock(message)),
  uncaught: async ({ message }) => {
    setTimeout(() => {
      throw new OutOfStock(message);
    }, 0);
    await pause(60_000);
  },
  sleep: async ({ seconds }) => {
    await pause(seconds * 1000);
    return { slept: seconds };
  },
  exit: ({ status }) => process.exit(status),
  kill_self: async ({ signal }) => {
    process.kill(process.pid, signal);
    await pause(60_000);
  },
  oom: async () => {
    for (;;) {
      kept.push(Buffer.alloc(16 * 1048576, "x"));
      await pause(1);
    }
  },
  big: ({ bytes }) => "x".repeat(bytes - 2),
  print: ({ lines }) => {
    for (const line of lines) console.log(line);
    return lines.length;
  },
  logError: ({ message }) => console.error("caught", new OutOfStock(message)),
  context: (_, context) => ({
    aws_request_id: context.awsRequestId,
    function_name: context.functionName,
    function_version: context.functionVersion,
    invoked_function_arn: context.invokedFunctionArn,
    memory_limit_in_mb: context.memoryLimitInMB,
    log_group_name: context.logGroupName,
    log_stream_name: context.logStreamName,
    remaining_ms: context.getRemainingTimeInMillis(),
    client_context: context.clientContext ?? null,
    trace_id: process.env._X_AMZN_TRACE_ID,
  }),
  env: () => ({ ...process.env }),
  counter: () => ({ calls: ++calls, pid: process.pid }),
  size: ({ text }) => text.length,
};

export const handler = (event, context, callback) => {
  const name = event === null ? undefined : event.do;
  if (name === undefined) return Promise.resolve(event);
  const behaviour = told[name];
  if (behaviour.length === 3) return behaviour(event, context, callback);
  return (async () => behaviour(event, context))();
};
