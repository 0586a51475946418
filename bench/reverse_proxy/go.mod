module mayfly.dev/bench/reverse-proxy

go 1.21
