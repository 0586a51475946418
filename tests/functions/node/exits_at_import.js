process.exit(Number(process.env.EXIT_STATUS ?? 3));
