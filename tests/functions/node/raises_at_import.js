throw new TypeError("the oven is off");
