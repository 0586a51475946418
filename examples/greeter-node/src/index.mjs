const greetings = ["Hello", "Grüezi", "Bonjour", "Ciao", "こんにちは"];
let calls = 0;

export const handler = async (event, context) => {
  const greeting = greetings[calls++ % greetings.length];
  console.log("greeting", event.name);
  return {
    message: `${greeting}, ${event.name ?? "world"}!`,
    node: process.version,
    requestId: context.awsRequestId,
    millisLeft: context.getRemainingTimeInMillis(),
  };
};
