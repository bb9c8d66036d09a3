# `make demo` shows the product, `make test` proves it; both need Go and make alone.
.DEFAULT_GOAL := help
OUT ?= out/demo
ARCH ?= arm64

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

.PHONY: demo
demo: build ## watch a whole cleanup of a made-up company; you decide in a browser (DEMO=--auto decides by itself)
	@bin/iam-sunset demo $(DEMO)

.PHONY: build
build: ## bin/iam-sunset
	@go build -trimpath -o bin/iam-sunset ./cmd/iam-sunset

.PHONY: test
test: ## all tests, with the race detector
	go test -race ./...

.PHONY: lint
lint: ## gofumpt, vet, staticcheck, at the versions in go.mod
	@unformatted=$$(go tool gofumpt -l cmd functions internal statemachine tests); \
	if [ -n "$$unformatted" ]; then echo "not formatted with gofumpt:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

.PHONY: format
format: ## gofumpt everything
	go tool gofumpt -w cmd functions internal statemachine tests

.PHONY: package
package: build ## the Lambda functions' zips for ARCH (arm64, or amd64) in dist/, and their digests
	@bin/iam-sunset package --arch $(ARCH) --out dist

.PHONY: bench
bench: ## measure; docs/performance.md says what the figures mean
	go test -run '^$$' -bench . -benchtime 1x ./tests/bench/... ./internal/embedded/stepfunctions
