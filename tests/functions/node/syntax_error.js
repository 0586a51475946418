exports.handler = async (
