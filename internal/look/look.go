// Package look is what the product's pages and reports share: one stylesheet, light and dark, and pictures drawn as SVG. It
// knows nothing of users and cases.
//
// Nothing here needs a script or anything from another origin, and nothing uses style attributes, so that a strict
// Content-Security-Policy holds everywhere.
package look

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the stylesheet
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed look.css
var css string

// CSS is the stylesheet.
func CSS() string { return css }

// Policy is the Content-Security-Policy of pages that are served, with their stylesheet beside them.
const Policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// fileText is parsed where a file is written: programs that only serve pages, or neither, link no templates.
const fileText = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{.Policy}}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{{.Title}} · IAM Sunset</title>
<style>{{.CSS}}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top"><p class="brand">IAM Sunset</p></header>
<main id="main">
{{.Body}}
</main>
</body>
</html>
`

// WriteFile writes one self-contained HTML file: the stylesheet is in it, own styles after the shared ones, and its policy
// lets nothing else be loaded, sent or run. body is trusted: it comes from a template that escapes.
func WriteFile(w io.Writer, title, own string, body template.HTML) error {
	sheet := css + "\n" + own
	sum := sha256.Sum256([]byte(sheet))
	var b bytes.Buffer // half a file would look like a whole one
	file := template.Must(template.New("file").Parse(fileText))
	if err := file.Execute(&b, struct {
		Title, Policy string
		CSS           template.CSS
		Body          template.HTML
	}{
		title, "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
		template.CSS(sheet), body,
	}); err != nil {
		return fmt.Errorf("writing the page %q: %w", title, err)
	}
	_, err := b.WriteTo(w)
	return err
}
