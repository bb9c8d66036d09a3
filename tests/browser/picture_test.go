//go:build browser

package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const (
	// highest cuts a long page off: its beginning says enough.
	highest = 1400
	// colours is how many a picture keeps. Pages have few; the rest are the edges of letters.
	colours = 48
)

// Where pictures go: always there, and into the documentation on demand.
const (
	made      = "../../bin/pages"
	published = "../../docs/pages"
)

// publishing says that the documentation's pictures are to be made anew.
func publishing() bool { return os.Getenv("UPDATE_PAGES") != "" }

// picture takes a picture of the page as it is, from its top.
func (b *tab) picture(name, form string) {
	b.t.Helper()
	if form != "light" {
		name += "-" + form
	}
	b.shows(name, "html")
}

// shows takes a picture of the page from an element on.
func (b *tab) shows(name, from string) {
	b.t.Helper()
	size := asks[[]float64](b, `[innerWidth, document.documentElement.scrollHeight, document.querySelector(`+strconv.Quote(from)+`).getBoundingClientRect().top + scrollY]`)
	shot, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Clip: &page.Viewport{Y: size[2], Width: size[0], Height: min(size[1]-size[2], highest), Scale: 1}, CaptureBeyondViewport: ptr(true),
	})
	require.NoError(b.t, err)
	full, err := png.Decode(bytes.NewReader(shot.Data))
	require.NoError(b.t, err)
	small := fewColours(full)
	require.Greater(b.t, len(small.Palette), 8, "%s is blank", name)
	var out bytes.Buffer
	folders, encoder := []string{made}, png.Encoder{CompressionLevel: png.BestSpeed}
	if publishing() {
		folders, encoder.CompressionLevel = append(folders, published), png.BestCompression
	}
	require.NoError(b.t, encoder.Encode(&out, small))
	for _, folder := range folders {
		require.NoError(b.t, os.MkdirAll(folder, 0o755))
		require.NoError(b.t, os.WriteFile(filepath.Join(folder, name+".png"), out.Bytes(), 0o644))
	}
}

// alike says that nobody tells two colours apart by much, so that one of them will do.
func alike(a, b color.RGBA) bool {
	apart := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return apart(a.R, b.R)+apart(a.G, b.G)+apart(a.B, b.B) < 12
}

// fewColours is the picture in the most frequent of its colours that differ, every other as the nearest of them.
func fewColours(full image.Image) *image.Paletted {
	whole := image.NewRGBA(full.Bounds())
	draw.Draw(whole, whole.Bounds(), full, full.Bounds().Min, draw.Src)
	value := func(i int) uint32 {
		return uint32(whole.Pix[i])<<16 | uint32(whole.Pix[i+1])<<8 | uint32(whole.Pix[i+2])
	}
	count := map[uint32]int{}
	for i := 0; i < len(whole.Pix); i += 4 {
		count[value(i)]++
	}
	frequent := slices.Collect(maps.Keys(count))
	slices.SortFunc(frequent, func(a, b uint32) int { return cmp.Or(count[b]-count[a], int(a)-int(b)) })
	exact := func(c uint32) color.RGBA { return color.RGBA{R: uint8(c >> 16), G: uint8(c >> 8), B: uint8(c), A: 255} }
	var palette color.Palette
	for _, c := range frequent {
		if len(palette) < colours && !slices.ContainsFunc(palette, func(had color.Color) bool { return alike(had.(color.RGBA), exact(c)) }) {
			palette = append(palette, exact(c))
		}
	}
	nearest := map[uint32]uint8{}
	for _, c := range frequent {
		nearest[c] = uint8(palette.Index(exact(c)))
	}
	out := image.NewPaletted(whole.Bounds(), palette)
	for i := range out.Pix {
		out.Pix[i] = nearest[value(4*i)]
	}
	return out
}

func ptr[T any](v T) *T { return &v }
