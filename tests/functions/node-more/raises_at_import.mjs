throw new RangeError("the oven is off");

export const handler = async () => "never";
