# `make demo` shows the product, `make test` proves it; both need Go and make alone.
.DEFAULT_GOAL := help
OUT ?= out/demo
ARCH ?= arm64
# Whole cleanups, one for each way to die, to be refused, or to live at random. Others of the same package look for races.
BY_THE_THOUSAND := ^(TestKill|TestErrors|TestProperty)

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-15s %s\n", $$1, $$2 }'

.PHONY: demo
demo: build ## watch a whole cleanup of a made-up company; you decide in a browser (DEMO=--auto decides by itself)
	@bin/iam-sunset demo $(DEMO)

.PHONY: build
build: ## bin/iam-sunset
	@go build -trimpath -o bin/iam-sunset ./cmd/iam-sunset

.PHONY: test
test: ## all tests, with the race detector but for whole cleanups by the thousand
	go test -race -skip '$(BY_THE_THOUSAND)' ./...
	go test -run '$(BY_THE_THOUSAND)' ./tests

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
	go test -run '^$$' -bench . -benchtime 1x ./tests/bench/... ./tests/lambda ./internal/embedded/stepfunctions

TFLINT := bin/tools/tflint

$(TFLINT):
	GOBIN=$(CURDIR)/bin/tools go install github.com/terraform-linters/tflint@v0.64.0

.PHONY: test-terraform
test-terraform: $(TFLINT) ## what Terraform would make; needs terraform and a provider that it can find, and no AWS
	$(TFLINT) --chdir terraform --recursive --config=$(CURDIR)/terraform/.tflint.hcl
	go vet -tags terraform ./tests/terraform ./tests
	go tool staticcheck -tags terraform ./tests/terraform ./tests
	go test -count=1 -tags terraform -timeout 20m ./tests/terraform
	go test -count=1 -tags terraform -timeout 20m -run TestLeastPrivilege ./tests

# The emulator has a virtual environment of its own, made anew where what it needs has changed.
MINISTACK := bin/ministack

$(MINISTACK)/.made: tests/emulators/requirements.txt
	rm -rf $(MINISTACK)
	python3 -m venv $(MINISTACK)
	$(MINISTACK)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@

.PHONY: test-emulators
test-emulators: $(MINISTACK)/.made ## the deployed product, run on emulated AWS; needs Linux, Python 3.11 and, once, PyPI
	go vet -tags emulators ./tests/emulators
	go tool staticcheck -tags emulators ./tests/emulators
	IAM_SUNSET_MINISTACK=$(CURDIR)/$(MINISTACK)/bin/python go test -count=1 -tags emulators -timeout 10m ./tests/emulators
