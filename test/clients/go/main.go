// Command clients drives an API server with the clients that Go programs use: client-go's typed and dynamic clients,
// informers and leader election, and a controller of controller-runtime. It prints a line for each thing that worked and
// stops at the first that did not.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// A check is one thing that a client does, with its name.
type check struct {
	name string
	run  func(context.Context, *rest.Config) error
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		fail("configuration", err)
	}
	config.QPS, config.Burst = 1000, 1000
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	for _, form := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		config.ContentType = form
		config.AcceptContentTypes = form + ",application/json"
		for _, c := range typedChecks(form) {
			report(ctx, c, config)
		}
	}
	config.ContentType, config.AcceptContentTypes = "", ""
	for _, c := range customChecks {
		report(ctx, c, config)
	}
}

func report(ctx context.Context, c check, config *rest.Config) {
	if err := c.run(ctx, config); err != nil {
		fail(c.name, err)
	}
	fmt.Println("ok", c.name)
}

func fail(name string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(1)
}

// eventually waits until a condition holds: caches follow the server with a delay.
func eventually(ctx context.Context, what string, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("never: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
