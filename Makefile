# `make demo` shows the product, `make test` proves it; both need Go and make alone.
.DEFAULT_GOAL := help
OUT ?= out/demo
ARCH ?= arm64
RUNS ?= 10000
FUZZTIME ?= 30s
# Whole cleanups by the hundred, one for each way to die, to be refused, to be read badly, or to live at random. The others of the
# same package look for races.
BY_THE_HUNDRED := ^(TestKill|TestErrors|TestProperty|TestEveryFunction|TestEveryWrite|TestStorms|TestTheDenyGoesLast|TestWhatIsNotRead|TestTheLastMoment|TestAChangeThatIAM|TestASoakLonger|TestMutations)

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
test: ## all tests, with the race detector but for whole cleanups by the hundred
	go test -race -timeout 20m -skip '$(BY_THE_HUNDRED)' ./...
	@mkdir -p bin
	GOGC=400 go test -v -timeout 20m -run '$(BY_THE_HUNDRED)' ./tests ./internal/embedded/stepfunctions >bin/by-the-hundred.log 2>&1 || { cat bin/by-the-hundred.log; exit 1; }
	@grep -hE '^(ok|FAIL)|[0-9]+ (points of|lives|ways to)|in [0-9]+ runs' bin/by-the-hundred.log

.PHONY: test-long
test-long: ## the rules in 10,000 random accounts instead of 1,000 (RUNS=… for another number)
	RAPID_CHECKS=$$(( $(RUNS) / 10 )) go test -count=1 -timeout 4h -run '^TestPropertyRules$$' -v ./tests

# Package and target, one a line; go runs one at a time.
FUZZ := sunset/FuzzSettings sunset/FuzzRequest iamaccount/FuzzCredentialReport trail/FuzzEvent ownership/FuzzPolicy \
	embedded/asl/FuzzLoad audit/FuzzEvidence approval/FuzzPages

.PHONY: fuzz
fuzz: ## whatever parses, fed with garbled documents, FUZZTIME (30s) each
	@set -e; for target in $(FUZZ); do \
		go test -run '^$$' -fuzz "^$${target##*/}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s ./internal/$${target%/*}; \
	done

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

# Emulators and the AWS CLI have a virtual environment of their own, the definition's validator a directory of its own: made anew
# where what they need has changed.
EMULATORS := bin/emulators
VALIDATOR := bin/validator

$(EMULATORS)/.made: tests/emulators/requirements.txt
	rm -rf $(EMULATORS) bin/ministack
	python3 -m venv $(EMULATORS)
	$(EMULATORS)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@

$(VALIDATOR)/.made: tests/emulators/package.json tests/emulators/package-lock.json
	rm -rf $(VALIDATOR)
	mkdir -p $(VALIDATOR)
	cp $^ $(VALIDATOR)
	cd $(VALIDATOR) && npm ci --silent --no-audit --no-fund --ignore-scripts
	touch $@

EMULATED := ./tests/emulators $(patsubst %,./%,$(wildcard tests/peers))

.PHONY: test-emulators
test-emulators: $(EMULATORS)/.made $(VALIDATOR)/.made ## the product on emulated AWS, and under the AWS CLI; needs Linux, Python 3.11, Node and, once, PyPI and npm
	go vet -tags emulators $(EMULATED)
	go tool staticcheck -tags emulators $(EMULATED)
	IAM_SUNSET_EMULATORS=$(CURDIR)/$(EMULATORS)/bin/python IAM_SUNSET_AWSCLI=$(CURDIR)/$(EMULATORS)/bin/aws \
	IAM_SUNSET_ASL_VALIDATOR=$(CURDIR)/$(VALIDATOR)/node_modules/.bin/asl-validator \
	go test -count=1 -tags emulators -parallel 8 -timeout 10m $(EMULATED)

# What finds barriers in pages has a directory of its own as well.
AXE := bin/axe

$(AXE)/.made: tests/browser/package.json tests/browser/package-lock.json
	rm -rf $(AXE)
	mkdir -p $(AXE)
	cp $^ $(AXE)
	cd $(AXE) && npm ci --silent --no-audit --no-fund --ignore-scripts
	touch $@

.PHONY: test-browser
test-browser: $(AXE)/.made ## the pages in a real browser; needs Chromium, Node and, once, npm (UPDATE_PAGES=1 publishes their pictures)
	@command -v chromium >/dev/null || { echo "make test-browser needs Chromium: apt-get install chromium" >&2; exit 1; }
	go vet -tags browser ./tests/browser
	go tool staticcheck -tags browser ./tests/browser
	IAM_SUNSET_AXE=$(CURDIR)/$(AXE)/node_modules/axe-core/axe.min.js go test -count=1 -tags browser -timeout 10m ./tests/browser

# The tools that it is compared with, in an environment of their own.
PEERS := bin/peers

$(PEERS)/.made: tests/peers/requirements.txt
	rm -rf $(PEERS)
	python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@

.PHONY: bench-peers
bench-peers: $(PEERS)/.made ## the same account cleaned up by a shell loop, Cloud Custodian and IAM Sunset; an hour or two, and PyPI once
	go vet -tags peers ./tests/peers
	go tool staticcheck -tags peers ./tests/peers
	IAM_SUNSET_AWSCLI=$(CURDIR)/$(PEERS)/bin/aws IAM_SUNSET_CUSTODIAN=$(CURDIR)/$(PEERS)/bin/custodian \
	go test -tags peers -run '^$$' -bench . -benchtime 1x -timeout 3h ./tests/peers
