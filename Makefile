# What a newcomer needs: `make demo` shows the program at work, `make test`
# builds it and passes the tests. Both install what is missing (scripts/setup.sh).

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)

.PHONY: demo test build setup generate lint bench fuzz accuracy conformance clean

demo: build
	./bin/weir demo -o table

build: setup
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/weir ./cmd/weir

test: setup
	$(GO) vet ./...
	$(GO) test -timeout 30m ./...

setup:
	@scripts/setup.sh $(GO)

generate:
	$(GO) generate ./...

# The linter is a Go module like the rest, built at the version named here.
lint:
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

# Whole-process figures beside those of other tools: docs/benchmarks.md.
bench: build
	scripts/bench.sh

# Ten minutes for each decoder; FUZZTIME=30s for a quick look.
FUZZTIME ?= 10m
fuzz: setup
	scripts/fuzz.sh $(FUZZTIME)

# Other projects' inputs and real exporters, beside what their own collectors
# make of them: docs/conformance.md.
conformance: build
	scripts/conformance.sh

# Recall and false findings over the labelled captures beside the project.
accuracy: build
	scripts/accuracy.sh

clean:
	rm -rf bin out
