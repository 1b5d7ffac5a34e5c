# Makes templates/*.json and template_expressions.json: what Python's jinja2 (3.1.6) renders, set up
# as Hugging Face's apply_chat_template does. Run: python3 tests/golden/chat_template_facts.py
# The templates named smollm2-135m and qwen2.5-coder-0.5b are those of the models (Apache-2.0, by
# Hugging Face and Alibaba Cloud); the others are written after the public formats.
import datetime, json, os
import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.ext import Extension
OUT=os.path.dirname(os.path.abspath(__file__))+'/templates/'
def stored(name): return json.load(open(OUT+name+'.json'))['template']
class Gen(Extension):
    tags={'generation'}
    def parse(self,parser):
        lineno=next(parser.stream).lineno
        body=parser.parse_statements(['name:endgeneration'],drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method('_g',[]),[],[],body).set_lineno(lineno)
    def _g(self,caller): return caller()
NOW=1767323045  # 2026-01-02 03:04:05 UTC
def tojson(x,ensure_ascii=False,indent=None,separators=None,sort_keys=False):
    return json.dumps(x,ensure_ascii=ensure_ascii,indent=indent,separators=separators,sort_keys=sort_keys)
def rexc(m): raise jinja2.exceptions.TemplateError(m)
env=ImmutableSandboxedEnvironment(trim_blocks=True,lstrip_blocks=True,extensions=[Gen,'jinja2.ext.loopcontrols'])
env.filters['tojson']=tojson
env.globals['raise_exception']=rexc
env.globals['strftime_now']=lambda f: datetime.datetime.fromtimestamp(NOW,datetime.timezone.utc).strftime(f)
def render(t,v):
    v=dict(v); v.setdefault('tools',None); v.setdefault('documents',None)
    return env.from_string(t).render(**v)

S={'role':'system','content':'You are terse. '}
def U(c): return {'role':'user','content':c}
def A(c): return {'role':'assistant','content':c}
TOOL={"type":"function","function":{"name":"get_weather","description":"Weather of a city — now","parameters":{"type":"object","properties":{"city":{"type":"string","description":"City \"name\" <b>"},"days":{"type":"integer"},"unit":{"type":"string","enum":["C","F"]}},"required":["city"]}}}
TOOL2={"type":"function","function":{"name":"add","description":"Adds.","parameters":{"type":"object","properties":{}}}}
CALL={'role':'assistant','content':'','tool_calls':[{'type':'function','id':'abcdefghi','function':{'name':'get_weather','arguments':{'city':'Zürich','days':2,'f':1.5,'n':None,'b':True}}}]}
RES={'role':'tool','name':'get_weather','tool_call_id':'abcdefghi','content':'{"temp": 21}'}
CONVS={
 'one':{'messages':[U('Hello')]},
 'system':{'messages':[S,U('Hi there\n')]},
 'multi':{'messages':[S,U(' What is 1+1? '),A('It is 2.'),U('And 2+2?')]},
 'multi_nosys':{'messages':[U('a'),A('<think>hm</think>\n\nb'),U('c'),A('d')]},
 'unicode':{'messages':[U('Grüße, 世界 🌍 <|im_end|> </s>\u00a0'),A('Ответ'),U('né\t')]},
 'no_prompt':{'messages':[U('q'),A('r')],'add_generation_prompt':False},
 'tools':{'messages':[S,U('Weather in Zürich?')],'tools':[TOOL,TOOL2]},
 'tool_turns':{'messages':[U('Weather?'),CALL,RES,A('21 degrees'),U('Thanks')],'tools':[TOOL]},
 'two_results':{'messages':[S,U('Weather?'),CALL,RES,RES],'tools':[TOOL,TOOL2]},
 'empty_text':{'messages':[S,U('')]},
}
# The templates stand in the files that this script writes anew: edit them there.
NAMES=('chatml','smollm2-135m','qwen2.5-coder-0.5b','gemma','llama-2','llama-3','llama-3.1','mistral-v1','mistral-v3',
       'mistral-v7','phi-3','phi-4','zephyr','command-r','deepseek-r1','deepseek-coder','granite','vicuna','alpaca','openchat',
       'chatglm','yi','hermes-tools','smollm3','qwen3','gpt-oss-like',)
T={name:stored(name) for name in NAMES}
TOK={'gemma':('<bos>','<eos>'),'deepseek-r1':('<｜begin▁of▁sentence｜>','<｜end▁of▁sentence｜>'),'command-r':('<BOS_TOKEN>','<|END_OF_TURN_TOKEN|>')}
def main():
    n=0
    for name,t in T.items():
        bos,eos=TOK.get(name,('<s>','</s>'))
        cases=[]
        for cname,c in CONVS.items():
            v=dict(c); v.setdefault('add_generation_prompt',True)
            full=dict(v,bos_token=bos,eos_token=eos)
            case={'name':cname,'variables':c}
            try: case['expected']=render(t,full)
            except Exception as e:
                case['error']=str(e)
                print(name,cname,type(e).__name__,str(e)[:80])
            cases.append(case); n+=1
        json.dump({'name':name,'bos_token':bos,'eos_token':eos,'unix_time_s':NOW,'template':t,'cases':cases},open(OUT+name+'.json','w'),ensure_ascii=False,indent=1)
        open(OUT+name+'.json','a').write('\n')
    print(len(T),'templates',n,'cases')

# Small expressions and statements.
V={'s':'Hello, World','u':'Größe 世界','e':'','n':None,'i':7,'z':0,'f':2.5,'t':True,'l':[3,1,2],'w':['b','A','c','a'],'d':{'b':1,'a':'x','C':[1,2]},
 'm':[{'role':'user','content':'hi','n':2},{'role':'assistant','content':'yo','n':1},{'role':'user','content':'bye','x':{'y':5}}],'sp':'  \t pad \n','nest':{'a':{'b':{'c':'deep'}}},'items_dict':{'items':5,'get':6},'q':'it\'s "q"\n\\ \u00a0'}
E=r'''
1 + 2 * 3
(1 + 2) * 3
7 // 2
-7 // 2
7 % 3
-7 % 3
7 / 2
2 ** 10
2 ** -1
-2 ** 2
1.5 + 2
10 / 4 * 2
1e3
1e16
1.0
0.1 + 0.2
1e-5
123456789012345678.0
3.0 * 2
7.5 // 2
-7.5 % 2
5 - -3
+i
-i
-f
true + 1
"a" * 3
[1, 2] * 2
[1] + [2, 3]
(1, 2) + (3,)
"a" ~ 1 ~ none ~ true ~ 1.0
s + '!'
s ~ i
"x" "y" 'z'
1 == 1.0
1 == true
"1" == 1
[1, 2] == [1, 2]
(1, 2) == [1, 2]
{'a': 1} == {'a': 1.0}
none == false
undef == undef2
undef == none
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
"a" < "b"
[1, 2] < [1, 3]
not true
not undef
not not s
1 and 0 or 5
0 or '' or 'end'
s and i
e and i
"World" in s
"world" not in s
1 in l
9 not in l
'a' in d
'q' in d
'' in s
's' in undef
2 in (1, 2)
'yes' if i > 3 else 'no'
'yes' if i > 30
'a' if z else 'b' if e else 'c'
s[0]
s[-1]
s[100]
u[4]
u[-1]
u[2:6]
u[::-1]
s[1:5]
s[:-1]
s[5:1]
s[::2]
s[-3:]
s[100:]
l[0]
l[-1]
l[5]
l[1:]
l[::-1]
l[:1]
l[-2:]
l[-1:0:-1]
(1, 2, 3)[1:]
d.a
d['a']
d.missing
d['missing']
d.C[1]
nest.a.b.c
nest['a']['b'].c
nest.a.x is defined
m[0].role
m[0]['role']
m[-1].x.y
m.0.role
m[1].missing is defined
items_dict['items']
items_dict['get']
items_dict.items() | list
l
w
d
n
t
q
[q]
[1, 'a', none, true, 1.5, [], {}]
(1,)
()
1, 2
{'k': 'v', 1: 2}
{'a': [1, {'b': none}]}
s | upper
s | lower
u | upper
u | lower
sp | trim
'xxaxx' | trim('x')
s | length
u | length
l | length
d | length
undef | length
s | count
undef | default('D')
n | default('D')
n | default('D', true)
e | d('E', boolean=true)
undef | default
z | default(5, true)
l | join(', ')
l | join
w | join('-')
m | join('|', attribute='role')
u | join('.')
d | join(',')
undef | join(',')
l | first
l | last
[] | first is defined
s | first
s | last
l | sort
l | sort(reverse=true)
w | sort
w | sort(case_sensitive=true)
w | sort(false, true)
m | sort(attribute='content') | map(attribute='content') | join(' ')
l | reverse | list
s | reverse
w | unique | list
[1, 1.0, 2, true] | unique | list
w | map('upper') | join
w | map('upper') | list
l | map('string') | join('+')
m | map(attribute='role') | list
m | map(attribute='n', default=0) | list
m | map(attribute='x.y') | join(',')
m | selectattr('role', 'equalto', 'user') | map(attribute='content') | list
m | selectattr('role', '==', 'user') | list | length
m | rejectattr('role', 'equalto', 'user') | map(attribute='content') | first
m | selectattr('n') | list | length
m | selectattr('n', 'defined') | list | length
m | selectattr('n', 'gt', 1) | list | length
m | selectattr('role', 'in', ['assistant', 'tool']) | list | length
m | rejectattr('x') | list | length
l | select('odd') | list
l | reject('odd') | list
l | select('>', 1) | list
[0, 1, '', 'a'] | select | list
[0, 1, '', 'a'] | reject | list
d | dictsort
d | dictsort(reverse=true)
d | dictsort(true)
{'x': 2, 'y': 1} | dictsort(by='value')
d | items | list
d.items() | list
d.keys() | list
d.values() | list
d.get('a')
d.get('zz')
d.get('zz', 3)
undef | items | list
s | replace('l', 'L')
s | replace('l', 'L', 1)
s.replace('o', '0')
s.replace('o', '0', 1)
'abc'.replace('', '-')
'abc' | replace('', '-', 2)
s | capitalize
'hello wORLD foo-bar (baz)' | capitalize
'hello wORLD foo-bar (baz)' | title
"hello wORLD's foo-bar (baz)".title()
'hello wORLD'.capitalize()
s.upper()
s.lower()
s.split()
s.split(', ')
s.split('o')
s.split('o', 1)
s.split('zzz')
'a,b,c'.split(',')[-1]
'a,b,c'.rsplit(',', 1)
' a  b '.split()
' a  b '.split(' ')
' a  b c '.split(none, 1)
sp.strip()
sp.lstrip()
sp.rstrip()
'xyhixy'.strip('xy')
'xyhixy'.lstrip('xy')
'xyhixy'.rstrip('yx')
s.startswith('Hello')
s.startswith(('X', 'H'))
s.endswith('World')
s.endswith('x')
s.find('o')
s.find('zz')
u.find('世')
s.rfind('o')
s.count('l')
s.index('W')
'-'.join(['a', 'b'])
'a\nb\r\nc'.splitlines()
'pre-x'.removeprefix('pre-')
'x.suf'.removesuffix('.suf')
'12'.isdigit()
'1a'.isdigit()
' '.isspace()
'42' | int
'4.7' | int
'x' | int
'x' | int(3)
' 5 ' | int
'ff' | int(0, 16)
4.9 | int
-4.9 | int
none | int
true | int
'2.5' | float
'x' | float
'x' | float(1.5)
3 | float
1 | string
none | string
l | string
d | string
'abc' | list
d | list
-3 | abs
-3.5 | abs
2.567 | round(2)
2.5 | round
3.5 | round
2.1 | round(0, 'ceil')
2.9 | round(method='floor')
l | sum
m | map(attribute='n', default=0) | sum
l | max
l | min
w | min
d | tojson
m | tojson
u | tojson
q | tojson
d | tojson(indent=2)
m | tojson(indent=4)
[] | tojson(indent=2)
{'a': [], 'b': {}} | tojson(indent=2)
[1, 1.0, 1e20, none, true, "x"] | tojson
u | tojson(ensure_ascii=true)
'🌍' | tojson(true)
d | tojson(sort_keys=true)
d | tojson(separators=(',', ':'))
{1: 2, true: 3, none: 4} | tojson
'<b>&\'' | tojson
"a\u0001\b" | tojson
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(2, true, true)
'a\nb' | indent('> ')
s | safe
x is defined
s is defined
undef is undefined
n is none
n is not none
s is string
i is string
d is mapping
l is mapping
l is iterable
s is iterable
i is iterable
undef is iterable
l is sequence
s is sequence
d is sequence
i is sequence
i is number
f is number
t is number
i is integer
t is integer
f is float
t is boolean
i is boolean
t is true
t is false
i is true
i is odd
i is even
i is divisibleby 7
i is divisibleby(2)
i is eq 7
i is equalto(7)
i == 7 is true
i is == 7
i is ne 8
i is gt 3
i is lt(3)
i is ge 7
i is le 6
i is in [7, 8]
i is in(l)
i is not in l
'abc' is lower
'ABC' is upper
'aBC' is upper
none is sameas none
i is sameas 7
s is defined and s is string
not s is string
s is string and not i is string
1 + i is odd
-i | abs
i | string ~ 'x'
s | length > 3
'a' if s is defined else 'b'
range(5) | list
range(2, 5) | list
range(5, 0, -2) | list
range(0) | list
dict(a=1, b='x')
dict({'z': 0}, a=1)
namespace(a=1).a
strftime_now('%Y-%m-%d %H:%M:%S %b %B %a %A %j %y %I %p %d %e %%')
'\x41\u00e9\t|\\|\'|"|\101|\q'
"line\
cont"
'a' 'b' | upper
{'a': 1}.a
[1, [2, 3]][1][0]
{'a b': 1}['a b']
(s if t else u) | upper
[x for_ is defined]
"%s" in "%s"
("a", "b") | join
[[1, 2], [3, 4]] | map('first') | list
[[1, 2], [3, 4]] | map(attribute=1) | list
w | map('replace', 'a', 'z') | list
w | select('in', ['a', 'b']) | list
m | map(attribute='content') | map('length') | list
'abc' is in 'xabcx'
1_000
not 1 == 2
1 if false
[1, 2,]
{'a': 1,}
0.5 | round(1)
1 > 0 == true
i in l or i == 7
s.upper().lower().title()
(l | length) * 2
l | length * 2
7 | string | length
loop is defined
true is true
True and None is none
'ǅ' | length
'ß' | lower
'ÀÉ' | lower
'привет' | upper
'ΑΒΓ' | lower
'  x' | indent(1) ~ '|'
'%d' ~ 5
"{{" ~ "}}"
'a' < 'B'
[3, 1] + l | sort
'' | first is undefined
"" is defined
{'x': {'y': [1, 2]}} | string
'é' * 2
[none, false] | string
"tab\there"
'new\nline' | upper
'a' in ['a', 'b'] and 'c' not in ['a', 'b']
'''.strip('\n').split('\n')
# join the line continuation
out=[];k=0
while k<len(E):
    if E[k].endswith('\\') : out.append(E[k]+'\n'+E[k+1]); k+=2
    else: out.append(E[k]); k+=1
cases=['{{ '+e+' }}' for e in out if 'for_' not in e]
cases+=[
 "{% for x in l %}{{ loop.index }}{{ x }}{{ loop.last }},{% endfor %}",
 "{% for x in l %}{{ loop.index0 }}/{{ loop.length }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.depth }}{% if not loop.last %};{% endif %}{% endfor %}",
 "{% for x in [] %}x{% else %}empty{% endfor %}",
 "{% for x in l if x > 9 %}x{% else %}none{% endfor %}",
 "{% for x in l if x != 1 %}{{ x }}:{{ loop.index }}/{{ loop.length }} {% endfor %}",
 "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
 "{% for k in d %}{{ k }}{% endfor %}",
 "{% for c in u %}{{ c }}.{% endfor %}",
 "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
 "{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }} {% endfor %}",
 "{% for x in undef %}x{% else %}u{% endfor %}",
 "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
 "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
 "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
 "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
 "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
 "{% for x in 1, 2 %}{{ x }}{% endfor %}",
 "{% for x in l %}{% set y = x %}{% endfor %}{{ y is defined }}",
 "{% set y = 0 %}{% for x in l %}{% set y = y + x %}{{ y }}{% endfor %}{{ y }}",
 "{% set ns = namespace(y=0) %}{% for x in l %}{% set ns.y = ns.y + x %}{% endfor %}{{ ns.y }}",
 "{% if t %}{% set q2 = 1 %}{% endif %}{{ q2 }}",
 "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
 "{% set a = 1, 2 %}{{ a }}",
 "{% set x %}block {{ i }}{% endset %}[{{ x }}]",
 "{% set x | upper | trim %} block {{ s }} {% endset %}[{{ x }}]",
 "{% if z %}a{% elif e %}b{% elif i %}c{% else %}d{% endif %}",
 "{% if z %}a{% endif %}-",
 "{% macro f(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}|{{ f(1, 3) }}|{{ f(1, c='y') }}|{{ f(b=5, a=4) }}",
 "{% macro f(a) %}[{{ a }}{{ caller() }}]{% endmacro %}{% call f(1) %}body {{ i }}{% endcall %}",
 "{% macro f() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) f() %}{{ a + b }}{% endcall %}",
 "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
 "{% macro f() %}{{ g }}{% endmacro %}{% set g = 5 %}{{ f() }}{% set g = 6 %}{{ f() }}",
 "{% macro f(x) %}{% set y = x %}{{ y }}{% endmacro %}{{ f(1) }}{{ y is defined }}",
 "{% macro f(x) %}{{ x is defined }}{% endmacro %}{{ f() }}{{ f(none) }}",
 "{% macro f() %} a {% endmacro %}{{ f() | trim | length }}{{ f()|upper }}",
 "{% filter upper %}abc {{ s }}{% endfilter %}",
 "{% filter replace('l', 'L') | trim %} abc {{ s }} {% endfilter %}|",
 "a {# comment #} b",
 "a {#- comment -#} b",
 "a\n{# comment #}\nb",
 "  {% if t %}\n  x\n  {% endif %}\n  y",
 "  {%- if t -%}\n  x\n  {%- endif -%}\n  y",
 "  {%+ if t %}\n  x\n  {%+ endif +%}\n  y",
 "x  {% if t %}y{% endif %}  z",
 "{% if t %}\n\n  y{% endif %}\n\nz\n",
 "{{ i }}\n{{ i }}\n",
 "{{ i -}}  \n {{- i }}",
 "  {{ i }}  ",
 "a\r\nb\rc\n\n",
 "{{ '\\n' }}{%- if t %} x {%- endif %} ",
 "{% raw %}{{ x }}{% y %}{% endraw %}",
 "a {%- raw -%} {{ x }} {%- endraw -%} b",
 "{% raw %}\n  {{ x }}\n{% endraw %}\nb",
 "{{ {'a': {'b': 1}}['a']['b'] }}",
 "{{{'a': 1}.a}}",
 "{{ '}}' }}{{ '%}' }}",
 "{%if t%}x{%endif%}",
 "{% set loop_messages = m[1:] %}{{ loop_messages | length }}",
 "{% set m = m[1:] %}{{ m | length }}",
 "{% for x in m %}{{ x.role ~ (', ' if not loop.last else '') }}{% endfor %}",
 "{% for x in l | sort %}{{ x }}{% endfor %}",
 "{% for x in l[::-1] %}{{ x }}{% endfor %}",
 "{% for i in range(3) %}{{ i }}{% endfor %}{{ i }}",
 "{% for x in l %}{{ x if x > 1 }},{% endfor %}",
 "{% generation %}a {{ i }}{% endgeneration %}",
 "{% for x in l %}\n  {{ x }}\n{% endfor %}\nend",
 "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\nend",
 "{# a #}\n  {# b #}\nx",
 "{{ undef }}|{{ d.zz }}|{{ l[9] }}",
 "{% set ns = namespace(a=1, b='x') %}{% set ns.c = 3 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns.d is defined }}",
 "{% set ns = namespace(l=[]) %}{% for x in l %}{% set ns.l = ns.l + [x * 2] %}{% endfor %}{{ ns.l }}",
 "{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
 "{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}",
 "{% set f = s.upper %}{{ f() }}",
 "{% set x = 'a' if i == 7 else 'b' %}{{ x }}",
 "{{ (m | selectattr('role', 'equalto', 'user') | list)[-1].content }}",
 "{{ m | map(attribute='role') | unique | join(',') }}",
 "{% if 'x' in m[2] and m[2].x is mapping %}ok{% endif %}",
 "{% if m[0].tool_calls %}a{% else %}b{% endif %}",
 "{% if not m[0].tool_calls is defined %}b{% endif %}",
 "é{% if t %}ü{% endif %}世",
 "{{ '' }}{{ none }}{{ true }}{{ 1.50 }}",
 "\n\n{{ i }}\n\n",
 " \n{% set x = 1 %}\n {{ x }}",
 "{%- set x = 1 -%}\n\n  a",
 "a{{ ' ' }}-{{- ' ' -}}- b",
 "{% set x = {'a': [1, 2, {'b': 'c'}]} %}{{ x.a[2].b }}{{ x | tojson }}",
]
res=[];bad=[]
for t in cases:
    try: res.append({'template':t,'expected':env.from_string(t).render(**V)})
    except Exception as ex: bad.append((t,type(ex).__name__,str(ex)))
res=[r for r in res if 'generator object' not in r['expected'] and ' at 0x' not in r['expected']]
json.dump({'unix_time_s':1767323045,'variables':V,'cases':res},open(OUT+'../template_expressions.json','w'),ensure_ascii=False,indent=1)
open(OUT+'../template_expressions.json','a').write('\n')
print(len(res)); [print(b) for b in bad]
main()
