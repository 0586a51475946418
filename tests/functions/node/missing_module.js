require("croissants-that-nobody-baked");

exports.handler = async () => "never";
