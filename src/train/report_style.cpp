#include "train/report.h"

namespace limpid {

std::string_view report_style() {
  return R"css(
:root{color-scheme:light dark;--bg:#fcfcfa;--fg:#1d2126;--soft:#667080;--line:#dcdfe4;--card:#fff;--mark:#eef1f5;--good:#157347;--bad:#b42318;
--s0:#2459c9;--s1:#c96a00;--s2:#0b8a5f;--s3:#c32f3f;--s4:#7a44c7;--s5:#08809c;--s6:#a8326f;--s7:#5d7f10;--s8:#6b7280}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e4e7eb;--soft:#98a2b0;--line:#30363f;--card:#1a1e24;--mark:#242a32;--good:#4ec98a;--bad:#f4837a;
--s0:#6f9dff;--s1:#f2a34a;--s2:#46c795;--s3:#f27a86;--s4:#b494f2;--s5:#4cc0da;--s6:#ee86b7;--s7:#a9cc52;--s8:#9aa3b0}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.55 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK SC",sans-serif}
main{max-width:70rem;margin:0 auto;padding:2.5rem 1.25rem 5rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .4rem;letter-spacing:-.01em}
h2{font-size:1.25rem;margin:3rem 0 .6rem;padding-top:.9rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.6rem 0 .4rem}
p{max-width:46rem;margin:.5rem 0}
.soft,figcaption,.unit,caption{color:var(--soft)}
.soft{font-size:.9rem}
.stages{display:flex;flex-wrap:wrap;gap:.35rem;margin:1rem 0 0;padding:0;list-style:none;font-size:.86rem}
.stages li{border:1px solid var(--line);border-radius:1rem;padding:.1rem .7rem;color:var(--soft)}
.stages .done{color:var(--good);border-color:currentColor}.stages .now{color:var(--s1);border-color:currentColor}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.8rem;margin:1.5rem 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.8rem 1rem}
.tile b{display:block;font-size:1.45rem;line-height:1.25;font-variant-numeric:tabular-nums;font-weight:620}
.tile span{color:var(--soft);font-size:.86rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:1rem}
.chart{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .8rem .4rem}
.chart figcaption{font-size:.9rem;margin:0 0 .2rem .3rem}
.chart svg{display:block;width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
.grid{stroke:var(--line);fill:none}.axis{stroke:var(--soft);fill:none}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}.dot{stroke:none}
.s0{stroke:var(--s0)}.s1{stroke:var(--s1);stroke-dasharray:6 2}.s2{stroke:var(--s2)}.s3{stroke:var(--s3);stroke-dasharray:2 2}.s4{stroke:var(--s4)}
.s5{stroke:var(--s5);stroke-dasharray:8 3 2 3}.s6{stroke:var(--s6)}.s7{stroke:var(--s7);stroke-dasharray:4 3}.s8{stroke:var(--s8)}
.dot.s0{fill:var(--s0)}.dot.s1{fill:var(--s1)}.dot.s2{fill:var(--s2)}.dot.s3{fill:var(--s3)}.dot.s4{fill:var(--s4)}.dot.s5{fill:var(--s5)}.dot.s6{fill:var(--s6)}.dot.s7{fill:var(--s7)}.dot.s8{fill:var(--s8)}
.legend{display:flex;flex-wrap:wrap;gap:.1rem .9rem;font-size:.82rem;color:var(--soft);margin:.2rem .3rem .3rem;max-width:none}
.legend svg{display:inline-block;width:18px;height:8px;margin-right:.3rem;vertical-align:middle}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;margin:.6rem 0;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:.88rem;padding:.2rem 0}
th,td{padding:.28rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--soft)}th[colspan]{text-align:center}
th:first-child,td:first-child,.text{text-align:left}
td.text{white-space:normal}
tr.total td{font-weight:600}
.up{color:var(--good)}.down{color:var(--bad)}
.ci{width:120px;height:12px;display:inline-block;vertical-align:middle}
.ci .range{stroke:var(--s0);stroke-width:4;opacity:.35}.ci .mean{fill:var(--s0)}.ci .track{stroke:var(--line)}
.sample{background:var(--card);border:1px solid var(--line);border-radius:.6rem;margin:.8rem 0;padding:.7rem 1rem}
.sample>p{margin:0 0 .4rem;max-width:none}
.turn{display:grid;grid-template-columns:7.5rem 1fr;gap:.2rem .8rem;padding:.35rem 0;border-top:1px solid var(--line)}
.when{color:var(--soft);font-size:.86rem}
.think{font:13px/1.5 ui-monospace,"Noto Sans Mono CJK SC",Menlo,Consolas,monospace;color:var(--soft);white-space:pre-wrap;overflow-wrap:anywhere}
.answer{white-space:pre-wrap;overflow-wrap:anywhere}
.right{color:var(--good)}.wrong{color:var(--bad)}
details{margin:.4rem 0}summary{cursor:pointer;color:var(--soft);font-size:.9rem}
pre{background:var(--mark);border-radius:.5rem;padding:.8rem;overflow:auto;font:12px/1.5 ui-monospace,Menlo,Consolas,monospace;max-height:32rem}
code{font:.92em ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
@media(max-width:36rem){.turn{grid-template-columns:1fr}}
@media print{.chart,.sample,.tile{break-inside:avoid}}
)css";
}

}  // namespace limpid
