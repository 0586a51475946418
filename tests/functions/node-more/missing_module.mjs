import "croissants-that-nobody-baked";

export const handler = async () => "never";
