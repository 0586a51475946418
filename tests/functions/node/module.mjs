// An ES module with top-level await.
const value = await Promise.resolve("awaited");

export const handler = async (event) => ({ value, event });

export default { byDefault: async () => "by default" };
