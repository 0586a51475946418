// The peer: Go's httputil.ReverseProxy before a server that echoes, each in its own process.
//
//	reverse-proxy echo ADDRESS
//	reverse-proxy proxy ADDRESS UPSTREAM
package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	var handler http.Handler
	switch os.Args[1] {
	case "echo":
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.Copy(w, r.Body)
		})
	case "proxy":
		upstream, err := url.Parse(os.Args[3])
		if err != nil {
			log.Fatal(err)
		}
		http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 256
		handler = httputil.NewSingleHostReverseProxy(upstream)
	}
	log.Fatal(http.ListenAndServe(os.Args[2], handler))
}
