// CommonJS: what a handler can do with promises, callbacks, the context and the console. Each does one thing.

let calls = 0;

class OutOfStock extends Error {
  constructor(message) {
    super(message);
    this.name = "OutOfStock";
  }
}

const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

exports.echo = async (event) => event;

exports.echoByCallback = (event, context, callback) => callback(null, event);

exports.echoByPromise = (event) => Promise.resolve(event);

exports.echoByDone = (event, context) => context.done(null, event);

exports.echoBySucceed = (event, context) => context.succeed(event);

exports.noReturn = async () => {};

// Neither a promise nor a callback: null, once nothing is left to do.
exports.returnsPlainly = () => "nobody looks at this before Node.js 24";

exports.throws = async (event) => {
  throw new OutOfStock(event.message ?? "no croissants left");
};

exports.throwsPlainly = () => {
  throw new OutOfStock("no croissants left");
};

exports.throwsText = async () => {
  throw "not even an error";
};

exports.failsByCallback = (event, context, callback) => callback(new OutOfStock("no croissants left"));

exports.failsByContext = (event, context) => context.fail(event.message);

// Answers at once, and leaves a timer of `milliseconds` behind.
exports.leavesTimer = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = event.waits;
  setTimeout(() => console.log("the timer ran"), event.milliseconds);
  callback(null, "answered");
};

exports.answersTwice = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  callback(null, "first");
  callback(null, "second");
};

exports.losesPromise = async () => {
  Promise.reject(new OutOfStock("lost"));
  await later(1000);
};

exports.throwsLater = async () => {
  setTimeout(() => {
    throw new OutOfStock("later");
  }, 1);
  await later(1000);
};

exports.neverSettles = async () => new Promise(() => {});

exports.unserialisable = async () => ({ big: 10n });

exports.sleeps = async (event) => {
  await later(event.seconds * 1000);
  return { slept: event.seconds };
};

exports.exits = async (event) => process.exit(event.status);

exports.logs = async () => {
  console.trace("a trace");
  console.debug("a debug");
  console.info("an info");
  console.log("two\nlines", { and: "an object" });
  console.warn("a warning");
  console.error("an error:", new OutOfStock("no croissants left"));
};

exports.floods = async (event) => {
  const line = "0123456789abcdef".repeat(63);
  for (let number = 0; number < event.kb; number++) {
    if (event.mixed && number % 2) process.stdout.write(`${line}\n`);
    else console.log(line);
  }
  return { kb: event.kb };
};

exports.unicode = async (event) => {
  console.log("grüezi, こんにちは 🦋");
  return { got: event, said: "grüezi, こんにちは 🦋" };
};

exports.responseOf = async (event) => "x".repeat(event.bytes - 2);

exports.env = async () => process.env;

exports.context = async (event, context) => ({
  ...context,
  members: Object.keys(context).sort(),
  remainingMs: context.getRemainingTimeInMillis(),
  traceId: process.env._X_AMZN_TRACE_ID,
  cwd: process.cwd(),
});

exports.counter = async () => ({ calls: ++calls, pid: process.pid });

exports.inner = { deep: { handler: async () => "found" } };

exports.notAFunction = "text";
