await Promise.reject(new TypeError("the oven is off"));
