package packaging

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// compile makes the functions' programs in dir, each under its name. Whatever in the caller's environment would change
// their bytes is set here. They are built at once, because what they share is compiled once then.
func (o Options) compile(ctx context.Context, functions []string, dir string) error {
	names := strings.Join(functions, ", ")
	compiler, err := exec.LookPath("go")
	if err != nil {
		return sunset.Faultf(sunset.Invalid, "building %s: %w", names, ErrNoToolchain)
	}
	flags := "-s -w -buildid="
	if o.Version != "" {
		flags += " -X " + module + "/internal/lambdahost.version=" + o.Version
	}
	// lambda.norpc leaves out what only the retired go1.x runtime spoke, nethttpomithttp2 leaves out HTTP/2: the APIs that
	// are called here speak HTTP/1.1 as well. https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html
	args := []string{
		"build", "-trimpath", "-buildvcs=false", "-pgo=off",
		"-tags", "lambda.norpc,nethttpomithttp2", "-ldflags", flags, "-o", dir + string(filepath.Separator),
	}
	// All but our own code is compiled without inlining (-l): a zip is a seventh smaller, and functions wait for answers
	// most of their time.
	for _, others := range []string{"std", "github.com/aws/...", "github.com/awslabs/...", "github.com/coreos/...", "github.com/go-jose/...", "golang.org/..."} {
		args = append(args, "-gcflags", others+"=-l")
	}
	for _, f := range functions {
		args = append(args, "./functions/"+f)
	}
	cmd := exec.CommandContext(ctx, compiler, args...)
	cmd.Dir = o.Source
	cmd.Env = append(os.Environ(),
		"PWD="+o.Source, "GOOS=linux", "GOARCH="+o.Arch, "CGO_ENABLED=0", "GOWORK=off", "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("building %s: %w", names, ctx.Err())
	case err != nil:
		return sunset.Faultf(sunset.Invalid, "building %s for %s: %w: %s", names, o.Arch, err, firstLines(string(out), 5))
	}
	return nil
}

func firstLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[:min(n, len(lines))], "; ")
}

// epoch is the time that every zip gives: the first that the format knows.
func epoch() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }

// level of compression: the best one takes three times as long and saves a four-hundredth.
const level = 7

// zipped packs a program as Lambda wants it: executable, and named bootstrap.
func zipped(program []byte) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, level) })
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: epoch()}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
